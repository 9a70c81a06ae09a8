"""Validates a row of a data source, which is one question, field by field."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

ALIASES = {
    "qid": "id",
    "passage": "context",
    "paragraph": "context",
    "answer_text": "answer",
    "start": "answer_start",
}
"""Other names of a table's columns, lower case."""


def _absent(value: Any) -> Any:
    """Convert NaN, which pandas writes for an empty cell, to null."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _name(value: Any) -> Any:
    value = _absent(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _whole_number(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("whole_number", "must be a whole number")
    return _absent(value)


def _flag(value: Any) -> Any:
    value = _absent(value)
    return None if value == "" else value


def _visible(value: Any) -> Any:
    if _absent(value) is None:
        raise PydanticCustomError("null", "is null")
    if not isinstance(value, str):
        raise PydanticCustomError("text", "is not a text")
    if not value.strip():
        raise PydanticCustomError("empty", "is empty")
    return value


class RowAnswer(BaseModel):
    """An answer of a row. answer_start: in code points; None if unknown."""

    model_config = ConfigDict(frozen=True)

    text: Annotated[str, BeforeValidator(_visible)]
    answer_start: Annotated[int | None, Field(ge=0, lt=2**31), BeforeValidator(_whole_number)] = None


class Row(BaseModel):
    """One question. answers: None if the row has no such field.

    Whole numbers may be text or floats, and booleans may be text.
    """

    model_config = ConfigDict(frozen=True)

    id: Annotated[str | None, BeforeValidator(_name)] = None
    title: Annotated[str | None, BeforeValidator(_name)] = None
    question: Annotated[str, BeforeValidator(_visible)]
    context: Annotated[str, BeforeValidator(_visible)]
    answers: tuple[RowAnswer, ...] | None = None
    is_impossible: Annotated[bool | None, BeforeValidator(_flag)] = None

    @model_validator(mode="before")
    @classmethod
    def _unify_answers(cls, fields: Any) -> Any:
        """Convert the answers, which each format writes in another way, to one shape."""
        if not isinstance(fields, dict):
            return fields
        return {**fields, "answers": answers(fields)}


def errors(error: ValidationError) -> list[tuple[str, str]]:
    """Return field and reason of every error, without the text of the row."""
    return [(_path(e["loc"]), e["msg"][:1].lower() + e["msg"][1:]) for e in error.errors(include_input=False)]


def _path(places: tuple[int | str, ...]) -> str:
    return "".join(f"[{place}]" if isinstance(place, int) else f".{place}" for place in places).lstrip(".") or "answers"


def answers(fields: Mapping[str, Any]) -> Any:
    """Return a row's answers as a list of {"text", "answer_start"}; None if the row has none of the fields.

    The fields are `answers` (of SQuAD, of Hugging Face's `squad`, or a list of texts), MRQA's `detected_answers`, or
    `answer` with `answer_start`. Another shape is returned unchanged, and validation refuses it.
    """
    detected = fields.get("detected_answers")
    if isinstance(detected, list) and detected:
        return [answer for detection in detected for answer in _detected(detection, fields.get("context"))]
    if "answers" in fields:
        return _unfolded(_parsed(_absent(fields["answers"])))
    if "answer" not in fields:
        return None
    text, start = _absent(fields["answer"]), _absent(fields.get("answer_start"))
    if text in (None, "") and start in (None, "", "-1", -1):
        return []
    return [{"text": text, "answer_start": None if start == "" else start}]


def _parsed(value: Any) -> Any:
    """Read a table's cell: JSON, or a Python literal as pandas prints it. Other text is an answer."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return []
    if value.lstrip()[0] not in "[{":
        return [value]
    try:
        return json.loads(value)
    except ValueError:
        pass
    try:
        return ast.literal_eval(_Literal().visit(ast.parse(value.strip(), mode="eval")))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise PydanticCustomError("cell", "is neither JSON nor a Python literal") from None


class _Literal(ast.NodeTransformer):
    """Replaces numpy's calls, such as array(['x'], dtype=object) and np.int64(5), by their first argument."""

    def visit_Call(self, node: ast.Call) -> ast.AST:  # as ast names it
        self.generic_visit(node)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        return node.args[0] if node.args and name in ("array", "int32", "int64", "str_") else node


def _unfolded(value: Any) -> Any:
    if isinstance(value, dict) and "text" in value:
        texts, starts = value["text"], value.get("answer_start")
        if not isinstance(texts, list):
            return [{"text": texts, "answer_start": starts}]
        starts = [None] * len(texts) if starts is None else starts
        if not isinstance(starts, list) or len(starts) != len(texts):
            raise PydanticCustomError("pairs", "text and answer_start are not of the same length")
        return [{"text": text, "answer_start": start} for text, start in zip(texts, starts, strict=True)]
    if isinstance(value, list):
        return [{"text": answer} if isinstance(answer, str) else answer for answer in value]
    return value


def _detected(detection: Any, context: Any) -> list[Any]:
    """Return the answers of MRQA's detection, which has a text, and first and last character of each place."""
    if not isinstance(detection, dict) or not isinstance(detection.get("char_spans"), list):
        return [detection]
    rows = []
    for span in detection["char_spans"]:
        whole = isinstance(span, list) and len(span) == 2 and all(type(place) is int for place in span)
        if not whole or not isinstance(context, str) or not 0 <= span[0] <= span[1] < len(context):
            rows.append({"text": detection.get("text"), "answer_start": None})
        else:
            rows.append({"text": context[span[0] : span[1] + 1], "answer_start": span[0]})
    return rows
