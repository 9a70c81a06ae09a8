"""The errors of the training commands. Each class carries the exit code of `python -m training`.

TrainingError (1)
├── TrainSettingsError (2): a setting, flag or settings file that cannot be used
├── DataError (3): a data source that cannot be read or does not hold what it must
├── BaseModelError (4): a base model that is missing or not the one that was named
├── OutputFolderError (5): an output folder that holds another run, or whose disk is full
├── StoreError (6): a model store that cannot be read or written
└── GateError (7): a model that is not good enough to be stored
"""

from __future__ import annotations


class TrainingError(Exception):
    """Base of the package's errors. exit_code: of the command."""

    exit_code = 1


class TrainSettingsError(TrainingError):
    """A setting, flag or settings file cannot be used."""

    exit_code = 2


class DataError(TrainingError):
    """A data source cannot be read, or does not hold what it must."""

    exit_code = 3


class BaseModelError(TrainingError):
    """The base model is missing, or is not the one that was named."""

    exit_code = 4


class OutputFolderError(TrainingError):
    """The output folder holds another run, or its disk is full."""

    exit_code = 5


class StoreError(TrainingError):
    """The BentoML model store cannot be read or written, or lacks the model."""

    exit_code = 6


class GateError(TrainingError):
    """The model that was trained is not good enough to be stored."""

    exit_code = 7
