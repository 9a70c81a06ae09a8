"""Examples from SQuAD JSON files, from datasets on the Hugging Face hub, and from the embedded sample."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import DataError

SAMPLE = "sample"
"""Source name of the embedded sample; its parts are `sample:train` and `sample:dev`."""
SAMPLE_FOLDER = Path(__file__).parent / "sample"


@dataclass(frozen=True)
class GoldAnswer:
    """An annotator's answer; `start` counts code points: context[start:start + len(text)] == text."""

    text: str
    start: int


@dataclass(frozen=True)
class Example:
    """One question with its context. No answers means that the context does not hold one."""

    id: str
    question: str
    context: str
    answers: tuple[GoldAnswer, ...]
    title: str
    source: str


def load(sources: Iterable[str]) -> list[Example]:
    """Load every source, in order: a SQuAD JSON file, `sample[:train|:dev]`, or `hub:NAME[:SPLIT]`.

    Raises DataError when a source cannot be read or an answer does not stand where the data says.
    """
    return [example for source in sources for example in _load_source(source)]


def _load_source(source: str) -> list[Example]:
    name, _, part = source.partition(":")
    if name == SAMPLE:
        if part not in ("", "train", "dev"):
            raise DataError(f"data source {source!r}: the sample's parts are sample:train and sample:dev")
        parts = [part] if part else ["train", "dev"]
        return [example for p in parts for example in read_squad(SAMPLE_FOLDER / f"{p}.json", SAMPLE)]
    if name == "hub":
        return read_hub(part)
    return read_squad(Path(source), Path(source).stem)


def read_squad(path: Path, source: str) -> list[Example]:
    """Read a SQuAD v1.1 or v2.0 file. `source` names the examples' origin in reports."""
    try:
        articles = json.loads(path.read_text(encoding="utf-8"))["data"]
        examples = list(_walk(articles, source))
    except OSError as error:
        raise DataError(f"data file {path}: {error.strerror or error}; name a readable SQuAD JSON file") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"data file {path} is not SQuAD JSON (v1.1 or v2.0): {error!r}") from error
    return _checked(examples, str(path))


def _walk(articles: list[dict[str, Any]], source: str) -> Iterator[Example]:
    for article in articles:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                answers = (
                    ()
                    if qa.get("is_impossible")
                    else tuple(GoldAnswer(answer["text"], answer["answer_start"]) for answer in qa["answers"])
                )
                yield Example(
                    str(qa["id"]), qa["question"], paragraph["context"], answers, article.get("title", ""), source
                )


def read_hub(name_and_split: str) -> list[Example]:
    """Read a dataset of the Hugging Face hub with SQuAD's columns, such as `squad_v2:validation`."""
    from datasets import load_dataset

    name, _, split = name_and_split.partition(":")
    try:
        rows = load_dataset(name, split=split or "train")
    except Exception as error:  # the hub client raises a family of unrelated classes
        raise DataError(
            f"dataset {name!r} could not be loaded from the hub: {type(error).__name__}: {error}; "
            "check the name and the network, or name a SQuAD JSON file"
        ) from error
    return from_rows(rows, name)


def from_rows(rows: Iterable[Any], source: str) -> list[Example]:
    """Read rows with the columns of `squad`: id, title, question, context, answers{text, answer_start}."""
    try:
        examples = [
            Example(
                str(row["id"]),
                row["question"],
                row["context"],
                tuple(map(GoldAnswer, row["answers"]["text"], row["answers"]["answer_start"])),
                row.get("title", ""),
                source,
            )
            for row in rows
        ]
    except (KeyError, TypeError) as error:
        raise DataError(f"dataset {source!r} lacks SQuAD's columns: {error!r}") from error
    return _checked(examples, source)


def _checked(examples: list[Example], where: str) -> list[Example]:
    if not examples:
        raise DataError(f"{where} holds no question")
    for example in examples:
        for answer in example.answers:
            if not answer.text or example.context[answer.start : answer.start + len(answer.text)] != answer.text:
                raise DataError(
                    f"{where}: question {example.id}: answer_start {answer.start} does not point at the answer's text "
                    "(offsets count code points); correct the data"
                )
    return examples


def draw(examples: list[Example], count: int | None, seed: int) -> list[Example]:
    """Return `count` examples drawn by the seed, in their order; all of them when there are no more, or for None."""
    if count is None or count >= len(examples):
        return examples
    chosen = random.Random(seed).sample(range(len(examples)), count)  # noqa: S311  # no secret
    return [examples[i] for i in sorted(chosen)]


def hold_out(examples: list[Example], fraction: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Split into (train, dev) by article, so that no article is on both sides; neither side is empty.

    An article is chosen by a hash of its name, not by its place: adding data leaves earlier choices as they are.
    A source that is one article is split by paragraph, since else all or nothing of it would be held out.
    Raises DataError when there is nothing to split.
    """
    titles: dict[str, set[str]] = {}
    for example in examples:
        titles.setdefault(example.source, set()).add(example.title)
    groups = [(e.source, e.title if len(titles[e.source]) > 1 else e.context) for e in examples]
    draws = {group: _draw(group, seed) for group in groups}
    if len(draws) < 2:
        raise DataError("nothing can be held out of a single paragraph; name dev_data, or add paragraphs")
    least, most = min(draws.values()), max(draws.values())
    held_out = {group for group, draw in draws.items() if draw == least or (draw < fraction and draw != most)}
    dev = [example for example, group in zip(examples, groups, strict=True) if group in held_out]
    return [example for example, group in zip(examples, groups, strict=True) if group not in held_out], dev


def _draw(group: tuple[str, str], seed: int) -> float:
    """Return a number from 0 to 1 that depends on the group's name and the seed only."""
    digest = hashlib.sha256("\0".join((str(seed), *group)).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def fingerprint(examples: list[Example]) -> str:
    """Return the sha256 of the examples' content, independent of file names and formats."""
    digest = hashlib.sha256()
    for e in examples:
        row = [e.id, e.question, e.context, [[a.text, a.start] for a in e.answers]]
        digest.update(json.dumps(row, ensure_ascii=True).encode() + b"\n")
    return digest.hexdigest()
