"""The API contract: what a request may hold, what a response holds, and the limits between them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, RootModel, model_validator
from pydantic_core import PydanticCustomError

from bento_service.hub import LEAST_WINDOW, Parameters, rows
from bento_service.reading.reader import Answer, Query

VERSION = "0.1.0"
"""Version of the service and of this contract; pyproject.toml has the same."""

MAX_BODY_BYTES = 1_000_000
MAX_CONTEXT_CHARACTERS = 100_000
MAX_QUESTION_CHARACTERS = 2_000
MAX_BATCH_QUERIES = 64
MAX_BATCH_CHARACTERS = 200_000
"""Characters (code points) of all the contexts of a batch together."""
MAX_ANSWER_TOKENS = 200
MAX_TOP_K = 20

EMPTY = "empty_text"
BATCH_TOO_LARGE = "batch_too_large"
"""Types of this module's own validation errors, beside pydantic's."""

SUCCESSORS = {
    "handle_impossible_answer": "it is called allow_no_answer here",
    "max_answer_len": "it is called max_answer_length here",
    "topk": "it is called top_k",
    "doc_stride": "windows are those that the model was measured with; POST / takes others",
    "max_seq_len": "windows are those that the model was measured with; POST / takes others",
    "max_question_len": "no question is cut; leave it out",
    "align_to_words": "POST / takes it",
    "inputs": "send question and context themselves, or this body to POST /",
    "parameters": "send its fields themselves, or this body to POST /",
}
"""What stands in place of the fields that transformers' removed pipeline and the hub's client have."""

EXAMPLE_REQUEST: dict[str, JsonValue] = {
    "question": "What is the capital of France?",
    "context": (
        "France is a country in Europe. Its capital city is Paris, "
        "which is known for the Eiffel Tower and Louvre Museum."
    ),
}
EXAMPLE_RESPONSE: dict[str, JsonValue] = {"answer": "Paris", "confidence": 0.98, "start_pos": 51, "end_pos": 56}


def is_visible(character: str) -> bool:
    """Return whether a character is neither white space nor a control or format character."""
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf")


def _visible(text: str) -> str:
    """Refuse a text that shows nothing: only white space, control and format characters."""
    if not any(map(is_visible, text)):
        raise PydanticCustomError(EMPTY, "is empty; send a text with at least one visible character")
    return text


class _Request(BaseModel):
    """Strict: a number is no string and "true" is no boolean, so a client's mistake is seen and not guessed at."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, fields: Any) -> Any:
        """Take null for the absence of an optional field."""
        if not isinstance(fields, dict):
            return fields
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        sent = {name: value for name, value in fields.items() if value is not None or name not in optional}
        return {name: _whole(value) for name, value in sent.items()}


def _whole(value: Any) -> Any:
    """Take 3.0 for 3: to JSON they are one number, and some languages have but one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class AnswerRequest(_Request):
    """One question about one context. An optional field that is null counts as absent."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE_REQUEST})

    question: Annotated[str, Field(max_length=MAX_QUESTION_CHARACTERS), AfterValidator(_visible)] = Field(
        description="What is asked. It also has to fit into a window of tokens with room for the context."
    )
    context: Annotated[str, Field(max_length=MAX_CONTEXT_CHARACTERS), AfterValidator(_visible)] = Field(
        description="The text that holds the answer."
    )
    top_k: int = Field(
        default=1,
        ge=1,
        le=MAX_TOP_K,
        description="How many answers at most; when sent, the response has `alternatives`.",
    )
    allow_no_answer: bool = Field(
        default=False, description='Let the answer be "" at 0, 0 when the context more likely holds none.'
    )
    max_answer_length: int | None = Field(
        default=None,
        ge=1,
        le=MAX_ANSWER_TOKENS,
        description="Longest answer in tokens; by default the model's own setting.",
    )
    offsets: Literal["codepoint", "utf16"] = Field(
        default="codepoint",
        description="Unit of the positions: Unicode code points, or UTF-16 code units as in JavaScript.",
    )

    def to_queries(self) -> list[Query]:
        """Return what the reader is asked."""
        return [Query(self.question, self.context, self.top_k, self.allow_no_answer, self.max_answer_length)]

    def respond(self, answers: Sequence[Sequence[Answer]]) -> AnswerResponse:
        """Lay the answers of the only query (best first, at least one) out as the request asked for them."""
        best, *others = (_span(self, answer) for answer in answers[0])
        return AnswerResponse(**dict(best), alternatives=others if "top_k" in self.model_fields_set else None)


class AnswersRequest(_Request):
    """A batch of questions, each with its own context."""

    model_config = ConfigDict(json_schema_extra={"example": {"queries": [EXAMPLE_REQUEST]}})

    queries: list[AnswerRequest] = Field(
        min_length=1,
        max_length=MAX_BATCH_QUERIES,
        description=f"At most {MAX_BATCH_CHARACTERS:,} characters of context in all.",
    )

    @model_validator(mode="after")
    def _bounded(self) -> AnswersRequest:
        if sum(len(query.context) for query in self.queries) > MAX_BATCH_CHARACTERS:
            message = f"the contexts have more than {MAX_BATCH_CHARACTERS} characters in all; send smaller batches"
            raise PydanticCustomError(BATCH_TOO_LARGE, message)
        return self

    def to_queries(self) -> list[Query]:
        """Return what the reader is asked, in the order of the queries."""
        return [query for request in self.queries for query in request.to_queries()]

    def respond(self, answers: Sequence[Sequence[Answer]]) -> AnswersResponse:
        """Lay each query's answers out as that query asked for them."""
        pairs = zip(self.queries, answers, strict=True)
        return AnswersResponse(answers=[request.respond([ranked]) for request, ranked in pairs])


class HubInputs(_Request):
    """A question and its context."""

    question: Annotated[str, Field(max_length=MAX_QUESTION_CHARACTERS), AfterValidator(_visible)] = Field(
        description="What is asked."
    )
    context: Annotated[str, Field(max_length=MAX_CONTEXT_CHARACTERS), AfterValidator(_visible)] = Field(
        description="The text that holds the answer."
    )


class HubParameters(_Request):
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


class HubRequest(_Request):
    """One question about one context, as `huggingface_hub.InferenceClient.question_answering` sends it."""

    model_config = ConfigDict(json_schema_extra={"example": {"inputs": EXAMPLE_REQUEST}})

    inputs: HubInputs = Field(description="What is asked, and of which text.")
    parameters: HubParameters | None = Field(default=None, description="How to answer.")

    def to_queries(self, longest: int) -> list[Query]:
        """Return what the reader is asked. longest: tokens of the model's longest window."""
        given = {} if self.parameters is None else self.parameters.model_dump(exclude_none=True)
        given.pop("max_question_len", None)
        return [Parameters(**given).query(self.inputs.question, self.inputs.context, longest)]

    def respond(self, answers: Sequence[Sequence[Answer]]) -> HubResponse:
        """Lay the answers of the only query (best first, at least one) out as the removed pipeline did."""
        return HubResponse.model_validate(rows(answers[0]))


class HubAnswer(BaseModel):
    """A part of the context: context[start:end] == answer, in code points."""

    score: float = Field(ge=0, le=1, description="What `confidence` is of /answer.")
    start: int = Field(ge=0, description="Position of the first character.")
    end: int = Field(ge=0, description="Position after the last character.")
    answer: str = Field(description='The text of the span, or "" when there is no answer.')


class HubResponse(RootModel[HubAnswer | list[HubAnswer]]):
    """The best answer; a list of them, best first, where more than one was asked for and is there."""

    model_config = ConfigDict(json_schema_extra={"example": {"score": 0.98, "start": 51, "end": 56, "answer": "Paris"}})


class AnswerSpan(BaseModel):
    """A part of the context: context[start_pos:end_pos] == answer, in the unit that `offsets` asked for."""

    answer: str = Field(description='The text of the span, or "" when there is no answer.')
    confidence: float = Field(
        ge=0,
        le=1,
        description="Probability that this is right: that it has an F1 of at least 1/2 with the answer asked for, "
        'or that there is none when "". Unless `allow_no_answer` was sent, given that there is one.',
    )
    start_pos: int = Field(ge=0, description="Position of the first character.")
    end_pos: int = Field(ge=0, description="Position after the last character.")


class AnswerResponse(AnswerSpan):
    """The best answer, and the others when `top_k` was sent."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE_RESPONSE})

    alternatives: list[AnswerSpan] | None = Field(
        default=None,
        description="The next best answers by the model's score, none overlapping another; only when `top_k` was sent.",
    )


class AnswersResponse(BaseModel):
    """One response a query, in the order of the queries."""

    model_config = ConfigDict(json_schema_extra={"example": {"answers": [EXAMPLE_RESPONSE]}})

    answers: list[AnswerResponse]


class HealthResponse(BaseModel):
    """Whether the service answers, and what it answers with."""

    status: Literal["ok", "unavailable"]
    model_loaded: bool
    version: str = Field(description="Version of the service.")
    timestamp: datetime = Field(default_factory=lambda: datetime.now(UTC), description="Now, in UTC.")
    model: dict[str, Any] | None = Field(
        default=None, description="Tag of the model that answers, and where it came from."
    )
    bento: str | None = Field(default=None, description="Tag of the Bento; null when served from the source tree.")
    data: Any = Field(default=None, description="What the model was trained on.")


class ErrorResponse(BaseModel):
    """Any answer but a good one."""

    error: str = Field(description="Short name to switch on.")
    detail: str = Field(description="What is wrong, and what to do about it.")


def _span(request: AnswerRequest, answer: Answer) -> AnswerSpan:
    start, end = answer.start, answer.end
    if request.offsets == "utf16":
        start, end = _utf16_length(request.context[:start]), _utf16_length(request.context[:end])
    return AnswerSpan(answer=answer.text, confidence=answer.confidence, start_pos=start, end_pos=end)


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
