"""The API contract, responses: what each holds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, RootModel

EXAMPLE_RESPONSE: dict[str, JsonValue] = {"answer": "Paris", "confidence": 0.99, "start_pos": 51, "end_pos": 56}


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
    context: int | None = Field(
        default=None, ge=0, description="Index of the text among `contexts`; only when those were sent."
    )

    occurrences: int | None = Field(
        default=None, ge=2, description="Places in the texts that say the same; only where it is more than one."
    )
    warnings: list[str] | None = Field(
        default=None,
        description="Why the confidence is lower: words that the model cannot read, `unknown_words_in_question`, "
        "`unknown_words_in_context` (a tenth of it or more) or `unknown_words_in_answer`. Only where there are any.",
    )


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


class AnswerOrAnswers(RootModel[AnswerResponse | AnswersResponse]):
    """The answer, or when `questions` was sent one for each of them."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE_RESPONSE})


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
