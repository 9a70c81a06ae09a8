"""What one would otherwise write: FastAPI around the question-answering pipeline that transformers 5.3 removed."""

import os

from fastapi import FastAPI
from pydantic import BaseModel
from transformers import pipeline

app = FastAPI()
reader = pipeline("question-answering", model=os.environ["BASELINE_MODEL"])


class Request(BaseModel):
    """The same request as the service's, without its options."""

    question: str
    context: str


@app.post("/answer")
def answer(request: Request) -> dict[str, str | float | int]:
    """Answer one question from one context."""
    found = reader(question=request.question, context=request.context)
    return {
        "answer": found["answer"],
        "confidence": found["score"],
        "start_pos": found["start"],
        "end_pos": found["end"],
    }
