"""The requests of the API contract: their fields, their limits, and the responses that they ask for."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic_core import PydanticCustomError

from bento_service.reading.reader import Answer, Query
from bento_service.responses import AnswerResponse, AnswerSpan, AnswersResponse

VERSION = "1.0.0"
"""Version of the service and of this contract: the only place that it is written."""

MAX_BODY_BYTES = 1_000_000
MAX_CONTEXT_CHARACTERS = 100_000
MAX_QUESTION_CHARACTERS = 2_000
MAX_BATCH_QUERIES = 64
MAX_CONTEXTS = 100
MAX_BATCH_CHARACTERS = 200_000
"""Characters (code points) of all the contexts of a batch together."""
MAX_ANSWER_TOKENS = 200
MAX_TOP_K = 20

EMPTY = "empty_text"
BATCH_TOO_LARGE = "batch_too_large"
CONFLICT = "conflicting_fields"
"""Types of this module's own validation errors, beside pydantic's."""

SUCCESSORS = {
    "handle_impossible_answer": "it is called allow_no_answer here",
    "max_answer_len": "it is called max_answer_length here",
    "topk": "it is called top_k",
    "doc_stride": "windows are those that the model was measured with; POST / takes others",
    "max_seq_len": "windows are those that the model was measured with; POST / takes others",
    "max_question_len": "no question is cut; leave it out",
    "inputs": "send question and context themselves, or this body to POST /",
    "parameters": "send its fields themselves, or this body to POST /",
    "query": "it is called question",
    "documents": "it is called contexts, a list of texts",
}
"""What to use instead of fields that transformers' removed pipeline, the hub's client and Haystack have."""

EXAMPLE_REQUEST: dict[str, JsonValue] = {
    "question": "What is the capital of France?",
    "context": (
        "France is a country in Europe. Its capital city is Paris, "
        "which is known for the Eiffel Tower and Louvre Museum."
    ),
}


def is_visible(character: str) -> bool:
    """Return whether a character is neither white space nor a control or format character."""
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf")


def visible(text: str) -> str:
    """Refuse a text without a visible character."""
    if not any(map(is_visible, text)):
        raise PydanticCustomError(EMPTY, "is empty; send a text with at least one visible character")
    return text


QuestionText = Annotated[str, Field(max_length=MAX_QUESTION_CHARACTERS), AfterValidator(visible)]
ContextText = Annotated[str, Field(max_length=MAX_CONTEXT_CHARACTERS), AfterValidator(visible)]
_QUESTION = "What is asked. It also has to fit into a window of tokens with room for the context."
_CONTEXT = "The text that holds the answer."


class StrictModel(BaseModel):
    """Base of all requests. Types are not converted, so that a client's mistake is reported."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, fields: Any) -> Any:
        """Treat an optional field that is null as absent."""
        if not isinstance(fields, dict):
            return fields
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        sent = {name: value for name, value in fields.items() if value is not None or name not in optional}
        return {name: _whole(value) for name, value in sent.items()}


def _whole(value: Any) -> Any:
    """Convert 3.0 to 3: JSON has only one kind of number, and so have some languages."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Options(StrictModel):
    """How to answer."""

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
    align_to_words: bool = Field(
        default=True,
        description="Let an answer take in all of a word, number or identifier (e-mail or web address, path, version, "
        "serial number) that it would cut.",
    )
    offsets: Literal["codepoint", "utf16"] = Field(
        default="codepoint",
        description="Unit of the positions: Unicode code points, or UTF-16 code units as in JavaScript.",
    )

    def query(self, question: str, context: str | list[str]) -> Query:
        """Return the query for the reader."""
        return Query(
            question,
            context,
            self.top_k,
            self.allow_no_answer,
            self.max_answer_length,
            align_to="words" if self.align_to_words else "characters",
        )

    def lay_out(self, context: str | list[str], answers: Sequence[Answer]) -> AnswerResponse:
        """Return the response for the answers of one question, best first and at least one."""
        best, *others = (self._span(context, answer) for answer in answers)
        return AnswerResponse(**dict(best), alternatives=others if "top_k" in self.model_fields_set else None)

    def _span(self, context: str | list[str], answer: Answer) -> AnswerSpan:
        text = context if isinstance(context, str) else context[answer.passage]
        start, end = answer.start, answer.end
        if self.offsets == "utf16":
            start, end = _utf16_length(text[:start]), _utf16_length(text[:end])
        return AnswerSpan(
            answer=answer.text,
            confidence=answer.confidence,
            start_pos=start,
            end_pos=end,
            context=answer.passage if answer.text and text is not context else None,
            occurrences=answer.occurrences if answer.occurrences > 1 else None,
            warnings=list(answer.warnings) or None,
        )


class BatchQuery(_Options):
    """One question about one context. An optional field that is null counts as absent."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE_REQUEST})

    question: QuestionText = Field(description=_QUESTION)
    context: ContextText = Field(description=_CONTEXT)

    def to_queries(self) -> list[Query]:
        """Return the only query, for the reader."""
        return [self.query(self.question, self.context)]

    def respond(self, answers: Sequence[Sequence[Answer]]) -> AnswerResponse:
        """Return the response for the answers of the only query, best first and at least one."""
        return self.lay_out(self.context, answers[0])


class AnswerRequest(_Options):
    """One question about one context or several, or several questions about one. A field that is null is absent."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": EXAMPLE_REQUEST,
            "oneOf": [
                {
                    "required": list(sent),
                    "properties": {
                        name: {"type": sent.get(name, "null")}
                        for name in ("question", "questions", "context", "contexts")
                    },
                }
                for sent in (
                    {"question": "string", "context": "string"},
                    {"question": "string", "contexts": "array"},
                    {"questions": "array", "context": "string"},
                )
            ],
        }
    )

    question: QuestionText | None = Field(default=None, description=_QUESTION)
    questions: list[QuestionText] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_BATCH_QUERIES,
        description="In place of `question`: several about one `context`; the response has `answers` in their order.",
    )
    context: ContextText | None = Field(default=None, description=_CONTEXT)
    contexts: list[ContextText] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_CONTEXTS,
        description="In place of `context`: several texts, of which any may hold the answer; answers are ranked "
        "together, and each has the index of its text. "
        f"At most {MAX_BATCH_CHARACTERS:,} characters in all.",
    )

    @model_validator(mode="after")
    def _check_alternatives(self) -> AnswerRequest:
        sent = self.model_fields_set
        for single, several in (("question", "questions"), ("context", "contexts")):
            if len(sent & {single, several}) != 1:
                problem = "both were sent" if single in sent else "neither was sent"
                raise PydanticCustomError(CONFLICT, f"{single} or {several}: exactly one must be sent, and {problem}")
        if {"questions", "contexts"} <= sent:
            raise PydanticCustomError(CONFLICT, "questions and contexts: send several of one of them only")
        return self

    @model_validator(mode="after")
    def _bounded(self) -> AnswerRequest:
        check_batch(self.contexts or [])
        return self

    @property
    def passes(self) -> int:
        """How many times the text is read."""
        return len(self._questions)

    @property
    def _questions(self) -> list[str]:
        return self.questions or [self.question or ""]

    @property
    def _context(self) -> str | list[str]:
        return self.contexts or self.context or ""

    def to_queries(self) -> list[Query]:
        """Return the queries for the reader, in the order of the questions."""
        return [self.query(question, self._context) for question in self._questions]

    def respond(self, answers: Sequence[Sequence[Answer]]) -> AnswerResponse | AnswersResponse:
        """Return the response for the answers of each question, best first and at least one."""
        responses = [self.lay_out(self._context, ranked) for ranked in answers]
        return responses[0] if self.questions is None else AnswersResponse(answers=responses)


class AnswersRequest(StrictModel):
    """A batch of questions, each with its own context."""

    passes: ClassVar[int] = 1
    """How many times each text is read."""

    model_config = ConfigDict(json_schema_extra={"example": {"queries": [EXAMPLE_REQUEST]}})

    queries: list[BatchQuery] = Field(
        min_length=1,
        max_length=MAX_BATCH_QUERIES,
        description=f"At most {MAX_BATCH_CHARACTERS:,} characters of context in all.",
    )

    @model_validator(mode="after")
    def _bounded(self) -> AnswersRequest:
        check_batch([query.context for query in self.queries])
        return self

    def to_queries(self) -> list[Query]:
        """Return the queries for the reader, in order."""
        return [query for item in self.queries for query in item.to_queries()]

    def respond(self, answers: Sequence[Sequence[Answer]]) -> AnswersResponse:
        """Return the response for each query's answers."""
        pairs = zip(self.queries, answers, strict=True)
        return AnswersResponse(answers=[query.respond([ranked]) for query, ranked in pairs])


def check_batch(contexts: Sequence[str]) -> None:
    """Refuse contexts whose total length is too great."""
    if sum(map(len, contexts)) > MAX_BATCH_CHARACTERS:
        message = f"the contexts have more than {MAX_BATCH_CHARACTERS} characters in all; send smaller batches"
        raise PydanticCustomError(BATCH_TOO_LARGE, message)


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
