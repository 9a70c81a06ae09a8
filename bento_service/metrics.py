"""The model's metrics for Prometheus, beside BentoML's of requests: docs/metrics.md describes each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bento_service.drift import Drift, Reference
from bento_service.errors import ServiceError
from bento_service.reading.reader import Answer, Prepared
from bento_service.reading.scheduler import ReadWindows

NAMESPACE = "extractive_qa"
ANSWER, NO_ANSWER = "answer", "no_answer"
"""Outcomes."""
TENTHS = tuple(tenth / 10 for tenth in range(1, 11))
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
CHARACTERS = (100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 200_000)
SHARES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Upper ends of the histograms' buckets."""


class Metrics:
    """The series of one process; /metrics adds them up over all processes of the service.

    model, bento: tags; None for a service from the source tree. reference: distributions of the model's dev questions.
    """

    def __init__(self, model: str, bento: str | None, reference: Reference | None = None) -> None:
        # Imported here, since the library reads PROMETHEUS_MULTIPROC_DIR on import. BentoML sets that variable after it
        # has imported the service's module.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        # With several processes, /metrics reads the files of that folder. With an own registry, a process can create
        # the metrics more than once.
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"namespace": NAMESPACE, "registry": self.registry}
        answers = Counter("answers", "Questions answered, by outcome", ["outcome"], **own)
        self._answers = {outcome: answers.labels(outcome) for outcome in (ANSWER, NO_ANSWER)}
        self._confidence = Histogram("confidence", "Confidence of the best answer", buckets=TENTHS, **own)
        self._characters = Histogram(
            "context_characters", "Characters of a question's contexts", buckets=CHARACTERS, **own
        )
        self._unknown = Histogram(
            "unknown_tokens_ratio", "Share of a question's and its contexts' unknown tokens", buckets=SHARES, **own
        )
        self._windows = Counter("windows", "Windows read", **own)
        self._tokens = Counter("tokens", "Tokens read", **own)
        self._waited = Histogram("wait_seconds", "Seconds that a request waited for the engine", buckets=SECONDS, **own)
        self._read = Histogram("read_seconds", "Seconds that the engine read a request", buckets=SECONDS, **own)
        self._refusals = Counter("refusals", "Requests without an answer, by class of the error", ["reason"], **own)
        speed = "Tokens that a second reads, as admission expects"
        self._speed = Gauge("expected_tokens_per_second", speed, multiprocess_mode="livesum", **own)
        self._drift = Drift(reference or {})
        self._index = Gauge(
            "population_stability_index",
            "How far the last questions are from the model's dev questions, by feature",
            ["feature"],
            multiprocess_mode="livemax",
            **own,
        )
        # prometheus_client's Info does not work with several processes.
        about = "The model and the Bento that answer; 1"
        info = Gauge("model_info", about, ["model", "bento"], multiprocess_mode="livemax", **own)
        info.labels(model, bento or "").set(1)

    def count_answers(
        self, prepared: Prepared, read: ReadWindows, answers: Sequence[Sequence[Answer]], tokens_per_s: float
    ) -> None:
        """Count a request that was answered. answers: each query's, best first. tokens_per_s: expected from now on."""
        self._windows.inc(len(read.logits))
        self._tokens.inc(prepared.tokens)
        self._waited.observe(read.waited_s)
        self._read.observe(read.read_s)
        self._speed.set(tokens_per_s)
        for query, unknown, (best, *_) in zip(prepared.queries, prepared.unknown_shares, answers, strict=True):
            self._answers[ANSWER if best.text else NO_ANSWER].inc()
            self._confidence.observe(best.confidence)
            self._characters.observe(sum(map(len, query.contexts)))
            self._unknown.observe(unknown)
            self._drift.add(query, best, unknown)
        if self._drift.due():
            for feature, index in self._drift.indices().items():
                self._index.labels(feature).set(index)

    def count_refusal(self, error: Exception) -> None:
        """Count a request that got an error instead of an answer."""
        reason = type(error) if isinstance(error, ServiceError) else ServiceError
        self._refusals.labels(reason.__name__).inc()
