"""Users that send realistic questions and check every answer: `locust -f loadtest/locustfile.py --host URL`.

Works with the web UI, with `--headless`, and with `--master` and `--worker`. From the environment:

QNA_LOAD_DATA     files in SQuAD JSON, separated by spaces and quoted as in a shell (the embedded sample)
QNA_LOAD_WEIGHTS  how often each kind is asked (short=8,long=1,unanswerable=1)
QNA_LOAD_SHAPE    a shape of loadtest/shapes.py, such as ramp:users=50,seconds=60 (else the UI or flags decide)
"""

from __future__ import annotations

import itertools
import os
import random
import shlex
from pathlib import Path
from typing import Any

from locust import FastHttpUser, LoadTestShape, between, runners, task, web

from loadtest import questions, shapes

# The statistics are read once a second; Locust's defaults would repeat them for two or three seconds.
web.DEFAULT_CACHE_TIME = 0.5
runners.WORKER_REPORT_INTERVAL = 1.0

RECYCLE = 3
"""Requests after which a user connects anew: a connection that is kept pins its user to one pod."""
WEIGHTS = {"short": 8, "long": 1, "unanswerable": 1}


def _weights(text: str) -> dict[str, int]:
    return WEIGHTS | {name: int(weight) for name, weight in (word.split("=") for word in text.split(",") if word)}


def _bodies() -> list[tuple[str, dict[str, Any]]]:
    """Return kinds and requests, each kind as often as its weight says."""
    paths = [Path(word) for word in shlex.split(os.environ.get("QNA_LOAD_DATA", ""))] or questions.SAMPLE
    kinds = questions.kinds(paths)
    weights = _weights(os.environ.get("QNA_LOAD_WEIGHTS", ""))
    shuffled = random.Random(3)  # noqa: S311  # no secret
    order = [kind for kind, weight in weights.items() for _ in range(weight * 100) if kinds.get(kind)]
    shuffled.shuffle(order)
    turns = {kind: itertools.cycle(bodies) for kind, bodies in kinds.items()}
    return [(kind, next(turns[kind])) for kind in order]


class QuestionUser(FastHttpUser):
    """A user who sends one question after the other, and pauses to read each answer."""

    wait_time = between(0.05, 0.2)
    _requests = _bodies()
    _users = itertools.count()

    def on_start(self) -> None:
        """Start at another question than the other users."""
        start = next(self._users) * 97 % len(self._requests)
        self._turns = itertools.cycle(self._requests[start:] + self._requests[:start])
        self._count = 0

    @task
    def ask(self) -> None:
        """Ask the next question; an answer that is not a span of its context is a failure."""
        kind, body = next(self._turns)
        self._count += 1
        headers = {"Connection": "close"} if self._count % RECYCLE == 0 else {}
        with self.client.post(
            "/answer", name=f"/answer {kind}", json=body, headers=headers, catch_response=True
        ) as response:
            if response.status_code != 200:
                response.failure(str(response.error) if response.status_code == 0 else f"status {response.status_code}")
                return
            answer = response.json()
            if body["context"][answer["start_pos"] : answer["end_pos"]] != answer["answer"]:
                response.failure("not a span of the context")


if os.environ.get("QNA_LOAD_SHAPE"):

    class Shape(LoadTestShape):
        """The shape that the environment names."""

        _walk = shapes.Walk(shapes.parse(os.environ["QNA_LOAD_SHAPE"]))

        def tick(self) -> tuple[int, float] | None:
            """Return users and spawn rate; None at the end."""
            tick = self._walk.tick()
            return None if tick is None else (tick.users, tick.spawn_rate)
