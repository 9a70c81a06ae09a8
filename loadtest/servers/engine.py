"""The engine alone, without tokenising, decoding or HTTP: the upper limit of what a server can reach."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from bento_service import artifact
from bento_service.reading.engines import OnnxEngine
from bento_service.reading.scheduler import Scheduler
from bento_service.reading.tokenization import TextTokenizer
from bento_service.reading.windows import Window, slide
from loadtest.questions import Question


class EngineAlone:
    """A stored model's graph, and the windows of all questions, ready to be read."""

    def __init__(self, model: Path, questions: Sequence[Question]) -> None:
        self._scheduler = Scheduler(OnnxEngine(model / artifact.GRAPH))
        self._questions = len(questions)
        self._windows = _windows(model, questions)

    @property
    def tokens_per_window(self) -> float:
        """The mean length of a window in tokens."""
        return sum(map(len, self._windows)) / len(self._windows)

    def rate(self, seconds: float) -> float:
        """Read all windows again and again for `seconds`, and return how many questions a second that is."""
        self._scheduler.submit(self._windows[:8]).result()  # the first call is slower
        begun, answered = time.monotonic(), 0
        while time.monotonic() < begun + seconds:
            self._scheduler.submit(self._windows).result()
            answered += self._questions
        return answered / (time.monotonic() - begun)


def _windows(model: Path, questions: Sequence[Question]) -> list[Window]:
    settings = artifact.load(model).settings
    tokenizer = TextTokenizer.from_file(model / artifact.TOKENIZER)
    windows: list[Window] = []
    for example in questions:
        question, context = tokenizer.encode((example.question, example.context))
        windows += slide(
            question,
            context,
            tokenizer.special,
            max_length=settings.max_length,
            doc_stride=settings.doc_stride,
        )
    return windows
