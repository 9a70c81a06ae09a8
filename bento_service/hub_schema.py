"""The contract of `POST /`: question answering in the shapes of the hub's client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, RootModel

from bento_service.hub import LEAST_WINDOW, Parameters, pipeline_result
from bento_service.reading.reader import Answer, Query
from bento_service.schema import EXAMPLE_REQUEST, MAX_ANSWER_TOKENS, MAX_TOP_K, ContextText, QuestionText, StrictModel


class HubInputs(StrictModel):
    """A question and its context."""

    question: QuestionText = Field(description="What is asked.")
    context: ContextText = Field(description="The text that holds the answer.")


class HubParameters(StrictModel):
    """How to answer, by the names of the hub's question-answering task; null is the default. Lengths in tokens."""

    top_k: int | None = Field(default=None, ge=1, le=MAX_TOP_K, description="How many answers at most (1).")
    handle_impossible_answer: bool | None = Field(default=None, description='Let the answer be "" at 0, 0 (false).')
    max_answer_len: int | None = Field(default=None, ge=1, le=MAX_ANSWER_TOKENS, description="Longest answer (15).")
    doc_stride: int | None = Field(
        default=None, ge=0, description="Overlap of neighbouring windows (128, or half a window if that is less)."
    )
    max_seq_len: int | None = Field(
        default=None, ge=LEAST_WINDOW, description="Length of a window (384, or the model's own if that is less)."
    )
    max_question_len: int | None = Field(default=None, ge=1, description="Without effect: no question is cut.")
    align_to_words: bool | None = Field(default=None, description="Take in the words that an answer cuts (true).")


class HubRequest(StrictModel):
    """One question about one context, as `huggingface_hub.InferenceClient.question_answering` sends it."""

    passes: ClassVar[int] = 1
    """How many times the text is read."""

    model_config = ConfigDict(json_schema_extra={"example": {"inputs": EXAMPLE_REQUEST}})

    inputs: HubInputs = Field(description="What is asked, and of which text.")
    parameters: HubParameters | None = Field(default=None, description="How to answer.")

    def to_queries(self, longest: int) -> list[Query]:
        """Return the queries for the reader. longest: tokens of the model's longest window."""
        given = {} if self.parameters is None else self.parameters.model_dump(exclude_none=True)
        given.pop("max_question_len", None)
        return [Parameters(**given).query(self.inputs.question, self.inputs.context, longest)]

    def respond(self, answers: Sequence[Sequence[Answer]]) -> HubResponse:
        """Return the answers of the only query, best first and at least one, in the removed pipeline's shape."""
        return HubResponse.model_validate(pipeline_result(answers[0]))


class HubAnswer(BaseModel):
    """A part of the context: context[start:end] == answer, in code points."""

    score: float = Field(ge=0, le=1, description="What `confidence` is of /answer.")
    start: int = Field(ge=0, description="Position of the first character.")
    end: int = Field(ge=0, description="Position after the last character.")
    answer: str = Field(description='The text of the span, or "" when there is no answer.')


class HubResponse(RootModel[HubAnswer | list[HubAnswer]]):
    """The best answer; a list of them, best first, where more than one was asked for and is there."""

    model_config = ConfigDict(json_schema_extra={"example": {"score": 0.99, "start": 51, "end": 56, "answer": "Paris"}})
