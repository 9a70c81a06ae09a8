"""The reader: a question and a context, or a batch of them, to ranked answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from bento_service.engines import Engine, Logits
from bento_service.query import Answer, Query
from bento_service.scheduler import Scheduler, never
from bento_service.spans import Decoded, FloatArray, decode
from bento_service.tokenization import TextTokenizer
from bento_service.windows import Window, slide

Result = TypeVar("Result")


class ReaderSettings(BaseModel):
    """How a model is read; stored with it, so that what was measured is what is served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_length: int = Field(384, ge=16, description="tokens a window")
    doc_stride: int = Field(64, ge=0, description="overlap of neighbouring windows in tokens")
    max_answer_length: int = Field(30, ge=1, description="longest answer in tokens")
    temperature: float = Field(1.0, gt=0, description="divides scores before they become probabilities")
    null_score_diff_threshold: float = Field(
        0.0, description='"no answer" when the null score exceeds the best span\'s score by more than this'
    )


@dataclass(frozen=True)
class Reading:
    """A query's windows and what the engine says of them: (start_logits, end_logits) a window, (seq_len,) each."""

    query: Query
    windows: Sequence[Window]
    logits: Sequence[tuple[FloatArray, FloatArray]]

    def decode(self, settings: ReaderSettings) -> Decoded:
        """Return the spans and their probabilities, before it is decided whether there is an answer."""
        length = self.query.max_answer_length
        return decode(
            self.windows,
            self.logits,
            self.query.context,
            max_answer_length=settings.max_answer_length if length is None else length,
            n_best_size=self.query.top_k,
            temperature=settings.temperature,
        )

    def answers(self, settings: ReaderSettings) -> list[Answer]:
        """Return 1 to `top_k` answers, best first."""
        return self.decide(self.decode(settings), settings)

    def decide(self, decoded: Decoded, settings: ReaderSettings) -> list[Answer]:
        """Return the answers that this reading's `decode` leads to.

        A context without any span has no answer, asked for or not. Who doesn't allow "no answer" says that there is
        one: then the null score has no say in the confidence either.
        """
        query = self.query
        answered = 1 - decoded.null_probability if query.allow_no_answer else 1.0
        answers = [
            Answer(query.context[span.start : span.end], answered * span.probability, span.start, span.end)
            for span in decoded.spans
        ]
        if answers and not (query.allow_no_answer and decoded.null_score_diff > settings.null_score_diff_threshold):
            return answers
        return [Answer("", decoded.null_probability, 0, 0), *answers][: query.top_k]


class Reader:
    """Finds answers with one tokenizer, one engine and the settings that the model was measured with."""

    def __init__(self, tokenizer: TextTokenizer, engine: Engine, settings: ReaderSettings) -> None:
        self._tokenizer = tokenizer
        self._scheduler = Scheduler(engine)
        self.settings = settings

    def answer(self, query: Query, abandoned: Callable[[], bool] = never) -> list[Answer]:
        """Return 1 to `top_k` answers, best first. Raises QuestionTooLong, and TooSlow as `read` does."""
        return self.answer_all([query], abandoned)[0]

    def answer_all(self, queries: Sequence[Query], abandoned: Callable[[], bool] = never) -> list[list[Answer]]:
        """Return each query's answers; the windows of all queries share the engine's batches."""
        return [reading.answers(self.settings) for reading in self.read(queries, abandoned)]

    def begin(
        self,
        queries: Sequence[Query],
        conclude: Callable[[list[list[Answer]]], Result],
        abandoned: Callable[[], bool] = never,
    ) -> Future[Result]:
        """Tokenise, and promise what `conclude` makes of each query's answers, on a thread of the engine.

        Nobody has to wait on a thread of its own meanwhile. Raises QuestionTooLong. Whatever fails later is the
        future's: TooSlow as `read` raises it, and what `conclude` raises.
        """
        windows = [self._windows(query) for query in queries]

        def finish(read: list[Logits]) -> Result:
            return conclude([reading.answers(self.settings) for reading in _readings(queries, windows, read)])

        return self._scheduler.submit(list(chain(*windows)), finish, abandoned)

    def read(self, queries: Sequence[Query], abandoned: Callable[[], bool] = never) -> list[Reading]:
        """Run the engine over the windows of all queries.

        Raises QuestionTooLong, and TooSlow when `abandoned` says on the way that nobody waits for the answer any more.
        """
        windows = [self._windows(query) for query in queries]
        return _readings(queries, windows, self._scheduler.run(list(chain(*windows)), abandoned))

    def _windows(self, query: Query) -> list[Window]:
        question, context = self._tokenizer.encode((query.question, query.context))
        settings = self.settings
        return slide(
            question,
            context,
            self._tokenizer.special,
            max_length=settings.max_length,
            doc_stride=settings.doc_stride,
        )


def _readings(queries: Sequence[Query], windows: Sequence[Sequence[Window]], read: Sequence[Logits]) -> list[Reading]:
    """Give each query its windows and their logits, of which `read` has those of all in a row."""
    logits = iter(read)
    return [Reading(query, group, [next(logits) for _ in group]) for query, group in zip(queries, windows, strict=True)]
