"""Small data files: the same three questions in any format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CONTEXT = "Zoë Aas opened the depot in 1971. The depot stores 40 buses, and Zoë counts them."
ANSWERS = {"Who opened the depot?": "Zoë Aas", "When was it opened?": "1971", "How many buses are there?": "40"}


def qas() -> list[dict[str, Any]]:
    """Return the questions as SQuAD has them."""
    return [
        {"id": f"q{i}", "question": question, "answers": [{"text": text, "answer_start": CONTEXT.index(text)}]}
        for i, (question, text) in enumerate(ANSWERS.items())
    ]


def articles(questions: list[dict[str, Any]] | None = None, context: Any = CONTEXT) -> list[dict[str, Any]]:
    """Return an article of SQuAD with one paragraph."""
    asked = qas() if questions is None else questions
    return [{"title": "T", "paragraphs": [{"context": context, "qas": asked}]}]


def rows() -> list[dict[str, Any]]:
    """Return the questions in the columns of Hugging Face's `squad`."""
    return [
        {
            "id": qa["id"],
            "title": "T",
            "context": CONTEXT,
            "question": qa["question"],
            "answers": {"text": [a["text"] for a in qa["answers"]], "answer_start": [qa["answers"][0]["answer_start"]]},
        }
        for qa in qas()
    ]


def squad(path: Path, questions: list[dict[str, Any]] | None = None, context: Any = CONTEXT) -> str:
    """Write SQuAD JSON, and return its path."""
    path.write_text(json.dumps({"version": "1.1", "data": articles(questions, context)}), encoding="utf-8")
    return str(path)


def lines(items: list[Any]) -> str:
    """Return JSON lines."""
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
