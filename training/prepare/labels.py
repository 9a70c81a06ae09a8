"""Soft labels: the answer probabilities of a teacher, which is a better stored model, for training questions.

A student learns them in addition to the annotators' spans (knowledge distillation, https://arxiv.org/abs/1503.02531).
Where several teachers label a question, their mean is learnt. Positions are code points, so that teachers and student
may have different tokenizers. The file has one JSON object a line: first the teacher, then a label for each question.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from bento_service.reading.reader import Reader, Reading
from bento_service.reading.spans import owned_starts
from training.data import Example
from training.errors import DataError
from training.measure.evaluate import BATCH, read

MIN_PROBABILITY = 0.002
"""Least probability that is stored; the sum of the smaller ones is small."""

Parsed = TypeVar("Parsed")

Shares = tuple[tuple[int, float], ...]
"""Pairs of a code point of the context and its probability."""


@dataclass(frozen=True)
class Label:
    """The teacher's probabilities of the start and the end (exclusive) of a question's answer.

    On each side, the rest to 1 is the probability that there is no answer.
    """

    starts: Shares
    ends: Shares


def key(example: Example) -> str:
    """Return the key of an example's label: a hash of question and context."""
    text = f"{example.question}\0{example.context}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def teacher(path: Path) -> dict[str, Any]:
    """Return the description of the teacher in a label file. Raises DataError when it is no label file."""
    return _read(path, lambda lines: dict(json.loads(next(lines))["teacher"]))


def load(paths: Sequence[Path]) -> dict[str, Label]:
    """Return the labels of files by key: the mean of those that the files have of a question.

    Raises DataError for a file that is not a label file.
    """
    labels: dict[str, list[Label]] = {}
    for path in paths:
        for name, label in _read(path, _labels).items():
            labels.setdefault(name, []).append(label)
    return {name: mean(of_one) for name, of_one in labels.items()}


def mean(labels: Sequence[Label]) -> Label:
    """Return the mean of a question's labels. Its probability of no answer is then the mean of theirs, too."""
    if len(labels) == 1:
        return labels[0]
    return Label(_mean_shares([label.starts for label in labels]), _mean_shares([label.ends for label in labels]))


def _mean_shares(sides: Sequence[Shares]) -> Shares:
    sums: dict[int, float] = {}
    for shares in sides:
        for position, share in shares:
            sums[position] = sums.get(position, 0.0) + share
    return tuple((position, total / len(sides)) for position, total in sorted(sums.items()))


def _labels(lines: Iterator[str]) -> dict[str, Label]:
    next(lines)
    rows = map(json.loads, lines)
    return {row["key"]: Label(_shares(row["starts"]), _shares(row["ends"])) for row in rows}


def _read(path: Path, parse: Callable[[Iterator[str]], Parsed]) -> Parsed:
    try:
        with path.open(encoding="utf-8") as lines:
            return parse(lines)
    except OSError as error:
        raise DataError(
            f"label file {path}: {error.strerror or error}; `python -m training label` makes one"
        ) from error
    except (StopIteration, ValueError, KeyError, TypeError) as error:
        raise DataError(f"label file {path} is not one of `python -m training label`, or was cut: {error!r}") from error


def _shares(pairs: list[list[float]]) -> Shares:
    return tuple((int(position), float(share)) for position, share in pairs)


def write(path: Path, teacher: dict[str, Any], reader: Reader, examples: list[Example]) -> None:
    """Label the examples in batches. A file of the same teacher is continued.

    teacher: its description, which identifies it. Raises DataError for a file of another teacher.
    """
    labelled = _resume(path, teacher)
    unlabelled = list({key(example): example for example in examples if key(example) not in labelled}.values())
    with path.open("a", encoding="utf-8") as file, tqdm(total=len(unlabelled), desc="label", unit="question") as bar:
        for first in range(0, len(unlabelled), BATCH):
            batch = read(reader, unlabelled[first : first + BATCH])
            # A question that is too long for the teacher's window was read with an empty context.
            read_whole = [(example, reading) for example, reading in batch if reading.query.context == example.context]
            file.writelines(_line(example, label(reading)) for example, reading in read_whole)
            file.flush()
            bar.update(len(batch))


def _resume(path: Path, teacher: dict[str, Any]) -> set[str]:
    """Create the file, or remove the incomplete last line of an interrupted run. Return its keys."""
    head = json.dumps({"teacher": teacher})
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    if lines and lines[0].rstrip() != head:
        raise DataError(f"{path} is not of this teacher; name another file with --output, or remove it")
    whole = [line for line in lines if line.endswith("\n")] or [f"{head}\n"]
    if whole != lines:
        path.write_text("".join(whole), encoding="utf-8")
    return {json.loads(line)["key"] for line in whole[1:]}


def _line(example: Example, label: Label) -> str:
    return json.dumps({"key": key(example), "starts": label.starts, "ends": label.ends}) + "\n"


def label(reading: Reading) -> Label:
    """Return the label of a reading: for each side, a softmax over all tokens of the context and "no answer".

    As in decoding, a token in the overlap of two windows counts once, and the null score is the least one.
    """
    owned = owned_starts(reading.windows, max_answer_length=1)
    sides = []
    for side in (0, 1):
        scores, positions = [np.array([min(pair[side][0] for pair in reading.logits)])], []
        for window, pair, (first, last) in zip(reading.windows, reading.logits, owned, strict=True):
            scores.append(pair[side][window.inside][first:last])
            positions.append(window.offsets[first:last, side])
        weights = np.exp(np.concatenate(scores) - max(part.max(initial=-np.inf) for part in scores))
        shares = (weights / weights.sum())[1:]
        kept = np.flatnonzero(shares >= MIN_PROBABILITY)
        places = np.concatenate(positions)[kept]
        sides.append(tuple(zip(places.tolist(), shares[kept].astype(float).round(4).tolist(), strict=True)))
    return Label(*sides)
