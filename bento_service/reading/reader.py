"""The reader turns questions with their contexts into ranked answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bento_service.errors import UnusableArgument, UnusableWindow
from bento_service.reading.engines import Engine, Logits
from bento_service.reading.scheduler import ReadWindows, Scheduler
from bento_service.reading.spans import Decoded, FloatArray, Span, decode
from bento_service.reading.tokenization import TextTokenizer, out_of
from bento_service.reading.unknown import known_share, unknown_share, warnings_of
from bento_service.reading.windows import Tokens, Window, overlap, slide
from bento_service.reading.words import whole_characters, whole_words

Ranges = NDArray[np.int64]
"""Shape (n, 2): half-open ranges of code points."""


@dataclass(frozen=True)
class Query:
    """One question about one context, or about several that are ranked together.

    Lengths are in tokens; None means the model's own setting. max_length: of a window. doc_stride: overlap of
    neighbouring windows; None: enough for max_answer_length. align_to: what an answer must not cut: "words" (and
    numbers and identifiers), "pretokens" (the tokenizer's own words) or "characters".
    """

    question: str
    context: str | Sequence[str]
    top_k: int = 1
    allow_no_answer: bool = False
    max_answer_length: int | None = None
    max_length: int | None = None
    doc_stride: int | None = None
    align_to: Literal["words", "pretokens", "characters"] = "words"

    def __post_init__(self) -> None:
        """Raise UnusableArgument without a context."""
        if not self.contexts:
            raise UnusableArgument("the query has no context; pass a text, or a list with at least one")

    @property
    def contexts(self) -> Sequence[str]:
        """The contexts as a sequence, even if there is only one."""
        return [self.context] if isinstance(self.context, str) else self.context


@dataclass(frozen=True)
class Answer:
    """An answer: contexts[passage][start:end] == text, in code points. "" at 0, 0 means "no answer".

    confidence: probability that the answer is right, which means an F1 of at least 1/2 with the expected span. Unless
    the query allows "no answer", it is the probability under the condition that there is an answer. It is multiplied by
    the shares of question, context and answer that the model can read. warnings: which of these it can't read in full
    (`reading.unknown`). occurrences: number of places in all contexts that have this answer.
    """

    text: str
    confidence: float
    start: int
    end: int
    passage: int = 0
    occurrences: int = 1
    warnings: tuple[str, ...] = ()


class ReaderSettings(BaseModel):
    """The settings of the reader. They are stored with the model, so that it is served as it was measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_length: int = Field(384, ge=16, description="tokens a window")
    doc_stride: int = Field(64, ge=0, description="overlap of neighbouring windows in tokens")
    max_answer_length: int = Field(30, ge=1, description="longest answer in tokens")
    temperature: float = Field(1.0, gt=0, description="divides scores before they become probabilities")
    null_scale: float = Field(1.0, ge=0, description='multiplies the log-odds of "no answer"')
    null_shift: float = Field(0.0, description='is added to the log-odds of "no answer", after they were multiplied')

    @model_validator(mode="before")
    @classmethod
    def _without_the_threshold(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Drop a setting of older models that has no effect any more."""
        return {name: value for name, value in values.items() if name != "null_score_diff_threshold"}


@dataclass(frozen=True)
class Reading:
    """A query's windows with the logits of each: (start_logits, end_logits), of shape (seq_len,).

    pretokens: ranges of the tokenizer's words in each context; None unless the query aligns to them. unknown: ranges
    that the model can't read, by text. unknown_share: share of the query's tokens that the vocabulary lacks.
    """

    query: Query
    windows: Sequence[Window]
    logits: Sequence[tuple[FloatArray, FloatArray]]
    pretokens: Sequence[Ranges] | None = None
    unknown: Mapping[str, Ranges] = field(default_factory=dict)
    unknown_share: float = 0.0

    def decode(self, settings: ReaderSettings) -> Decoded:
        """Return the spans and their probabilities, without deciding whether there is an answer."""
        length = self.query.max_answer_length
        return decode(
            self.windows,
            self.logits,
            self.query.contexts,
            max_answer_length=settings.max_answer_length if length is None else length,
            n_best_size=self.query.top_k,
            temperature=settings.temperature,
            widen=self._widen,
            known=self._known_span if self.unknown else None,
        )

    def answers(self, settings: ReaderSettings) -> list[Answer]:
        """Return 1 to `top_k` answers, best first."""
        return self.decide(self.decode(settings), settings)

    def decide(self, decoded: Decoded, settings: ReaderSettings) -> list[Answer]:
        """Return the answers that this reading's `decode` leads to.

        "No answer" comes first if the contexts have no span, or if the query allows it and no answer is more probable.
        If the query does not allow it, the confidence does not depend on the null score.
        """
        query = self.query
        unanswerable = decoded.null_probability(settings.null_scale, settings.null_shift)
        answered = 1 - unanswerable if query.allow_no_answer else 1.0
        answers = [self._answer(span, answered) for span in decoded.spans]
        if answers and not query.allow_no_answer:
            return answers
        no_answer = self._no_answer(unanswerable)
        if answers and answers[0].confidence > no_answer.confidence:
            return answers
        return [no_answer, *answers][: query.top_k]

    def _answer(self, span: Span, answered: float) -> Answer:
        """Return a span as an answer. answered: probability that there is one."""
        context = self.query.contexts[span.passage]
        text = context[span.start : span.end]
        known = self._known(self.query.question), self._known(context), self._known(context, span.start, span.end)
        confidence = answered * span.probability * known[0]
        return Answer(text, confidence, span.start, span.end, span.passage, span.occurrences, warnings_of(*known))

    def _no_answer(self, probability: float) -> Answer:
        known = self._known(self.query.question), min(map(self._known, self.query.contexts))
        return Answer("", probability * math.prod(known), 0, 0, warnings=warnings_of(*known))

    def _known_span(self, passage: int, start: int, end: int) -> float:
        context = self.query.contexts[passage]
        return self._known(context) * self._known(context, start, end)

    def _known(self, text: str, start: int = 0, end: int | None = None) -> float:
        return known_share(text, self.unknown.get(text), start, end)

    def _widen(self, passage: int, start: int, end: int) -> tuple[int, int]:
        """Widen a span so that it cuts nothing that the query aligns to."""
        context = self.query.contexts[passage]
        if self.pretokens is not None:
            start, end = out_of(self.pretokens[passage], start, end)
        if self.query.align_to == "words":
            start, end = whole_words(context, start, end)
        return whole_characters(context, start, end)


@dataclass(frozen=True)
class Prepared:
    """Tokenised queries with the windows of each. pretokens_of, unknown and unknown_shares: as in `Reading`."""

    queries: Sequence[Query]
    windows_of: Sequence[Sequence[Window]]
    pretokens_of: Sequence[Sequence[Ranges] | None]
    unknown: Mapping[str, Ranges] = field(default_factory=dict)
    unknown_shares: Sequence[float] = ()

    @property
    def windows(self) -> list[Window]:
        """The windows of all queries in a row."""
        return list(chain(*self.windows_of))

    @property
    def tokens(self) -> int:
        """How many tokens the engine has to read."""
        return sum(map(len, chain(*self.windows_of)))

    def readings(self, logits: Sequence[Logits]) -> list[Reading]:
        """Return each query with its windows and their logits. logits: those of all windows, in order."""
        row = iter(logits)
        rows = zip(self.queries, self.windows_of, self.pretokens_of, self.unknown_shares, strict=True)
        return [
            Reading(query, windows, [next(row) for _ in windows], pretokens, self.unknown, share)
            for query, windows, pretokens, share in rows
        ]


class Reader:
    """Finds answers with one tokenizer, one engine and the settings that the model was measured with.

    Threads may share it. `answer` and `answer_all` wait for the answers; a server takes the same steps one by one:
    `prepare`, `submit`, `postprocess`.
    """

    def __init__(self, tokenizer: TextTokenizer, engine: Engine, settings: ReaderSettings) -> None:
        self._tokenizer = tokenizer
        self._scheduler = Scheduler(engine)
        self.settings = settings

    def answer(self, query: Query) -> list[Answer]:
        """Return 1 to `top_k` answers, best first. Raises QuestionTooLong."""
        return self.answer_all([query])[0]

    def answer_all(self, queries: Sequence[Query]) -> list[list[Answer]]:
        """Return each query's answers; the windows of all queries share the engine's batches."""
        return [reading.answers(self.settings) for reading in self.read(queries)]

    def read(self, queries: Sequence[Query]) -> list[Reading]:
        """Run the engine over the windows of all queries. Raises QuestionTooLong."""
        prepared = self.prepare(queries)
        return prepared.readings(self.submit(prepared).result().logits)

    def prepare(self, queries: Sequence[Query]) -> Prepared:
        """Tokenise each text once and split the contexts into windows. Raises QuestionTooLong or UnusableWindow."""
        texts = list(dict.fromkeys(chain.from_iterable((query.question, *query.contexts) for query in queries)))
        aligned = [query.align_to == "pretokens" for query in queries]
        tokens = dict(zip(texts, self._tokenizer.encode(texts, words=any(aligned)), strict=True))
        windows_of = [self._windows(query, tokens) for query in queries]
        pretokens_of = [
            [tokens[context].words for context in query.contexts] if aligns else None
            for query, aligns in zip(queries, aligned, strict=True)
        ]
        missing = {text: self._tokenizer.unknown(tokens[text]) for text in texts}
        unknown = {text: ranges for text, ranges in missing.items() if ranges is not None}
        unknown_shares = [unknown_share((query.question, *query.contexts), tokens, unknown) for query in queries]
        return Prepared(queries, windows_of, pretokens_of, unknown, unknown_shares)

    def submit(self, prepared: Prepared) -> Future[ReadWindows]:
        """Submit the windows to the engine; the future holds their logits in order, and fails as the engine does."""
        return self._scheduler.submit(prepared.windows)

    def wait_s(self, tokens: int) -> float:
        """Return in how many seconds windows of so many tokens would be read, if they were submitted now."""
        return self._scheduler.wait_s(tokens)

    def backlog_s(self) -> float:
        """Return in how many seconds all that was submitted will be read."""
        return self._scheduler.backlog_s()

    def tokens_per_s(self) -> float:
        """Return how many tokens a second of work is expected to read; 0 before anything was measured."""
        return self._scheduler.tokens_per_s()

    def postprocess(self, prepared: Prepared, logits: Sequence[Logits]) -> list[list[Answer]]:
        """Return each query's answers, best first."""
        return [reading.answers(self.settings) for reading in prepared.readings(logits)]

    def _windows(self, query: Query, tokens: Mapping[str, Tokens]) -> list[Window]:
        max_length = self.settings.max_length if query.max_length is None else query.max_length
        doc_stride = self.settings.doc_stride if query.doc_stride is None else query.doc_stride
        if max_length > self.settings.max_length:
            raise UnusableWindow(
                f"windows of {max_length} tokens were asked for; this model reads at most {self.settings.max_length}"
            )
        if doc_stride > max_length // 2:
            raise UnusableWindow(
                f"an overlap of {doc_stride} tokens (doc_stride) is more than half of a window of {max_length}; "
                "ask for less, or for longer windows"
            )
        question, special = tokens[query.question], self._tokenizer.special
        longest = self.settings.max_answer_length if query.max_answer_length is None else query.max_answer_length
        if query.doc_stride is None and (query.max_answer_length is not None or longest > doc_stride):
            doc_stride = overlap(
                question, special, max_length=max_length, doc_stride=doc_stride, max_answer_length=longest
            )
        return [
            window
            for passage, context in enumerate(query.contexts)
            for window in slide(
                question, tokens[context], special, max_length=max_length, doc_stride=doc_stride, passage=passage
            )
        ]
