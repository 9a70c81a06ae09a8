"""The baseline of the comparison: FastAPI around the question-answering pipeline that transformers 5.3 removed."""

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
    result = reader(question=request.question, context=request.context)
    return {
        "answer": result["answer"],
        "confidence": result["score"],
        "start_pos": result["start"],
        "end_pos": result["end"],
    }
