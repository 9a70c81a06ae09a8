"""Sends requests to `/answer`, a given number at once, and records their latencies and failures."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import gevent
import numpy as np
from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError

from loadtest.questions import Question

REQUEST_S = 120
"""A request that takes longer has failed (s)."""


@dataclass
class Load:
    """The result of some load. latencies_s: of the correct answers; failures: how often each problem occurred."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    generator_cpu_s: float = 0.0

    def __add__(self, other: Load) -> Load:
        """Return the result of both loads, one after the other."""
        return Load(
            self.seconds + other.seconds,
            self.latencies_s + other.latencies_s,
            self.failures + other.failures,
            self.generator_cpu_s + other.generator_cpu_s,
        )

    @property
    def rate(self) -> float:
        """Correct answers a second."""
        return len(self.latencies_s) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile of the latency of the correct answers (ms); NaN without any."""
        return 1e3 * float(np.percentile(self.latencies_s, percent)) if self.latencies_s else float("nan")


def drive(
    url: str, questions: Sequence[Question], *, concurrency: int, seconds: float | None = None, count: int | None = None
) -> Load:
    """Ask the questions in turn, `concurrency` at once, until `seconds` are over or `count` requests are sent."""
    load = Load()
    begun, cpu = time.monotonic(), time.process_time()
    until = float("inf") if seconds is None else begun + seconds
    bodies = itertools.cycle((question, question.body) for question in questions)
    turns = itertools.islice(bodies, count)
    client = HTTPClient.from_url(
        url,
        concurrency=concurrency,
        headers={"Content-Type": "application/json"},
        connection_timeout=REQUEST_S,
        network_timeout=REQUEST_S,
    )
    try:
        gevent.joinall(
            [gevent.spawn(_ask_in_turn, client, turns, until, load) for _ in range(concurrency)], raise_error=True
        )
    finally:
        client.close()
    load.seconds, load.generator_cpu_s = time.monotonic() - begun, time.process_time() - cpu
    return load


def _ask_in_turn(client: HTTPClient, turns: Iterator[tuple[Question, bytes]], until: float, load: Load) -> None:
    """Ask one question after the other, as a single user does."""
    for question, body in turns:
        begun = time.monotonic()
        if begun > until:
            return
        problem = _ask(client, question, body)
        if problem:
            load.failures[problem] += 1
        else:
            load.latencies_s.append(time.monotonic() - begun)


def _ask(client: HTTPClient, question: Question, body: bytes) -> str:
    """Ask a question and return the problem with its answer; "" when it is a span of the context."""
    try:
        response = client.post("/answer", body)
        content = response.read()
        if response.status_code != http.client.OK:
            return f"status {response.status_code}"
        answer = json.loads(content)
        correct = question.context[answer["start_pos"] : answer["end_pos"]] == answer["answer"] != ""
        return "" if correct else "not a span of the context"
    except (OSError, HTTPParseError, ValueError, KeyError) as error:
        return type(error).__name__
