"""One line of JSON for each request, on standard output: how it ended and how long it took. Never what was asked."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = "X-Request-ID"
SILENT = ("/health", "/healthz", "/livez", "/readyz", "/metrics")
"""Paths of probes and of Prometheus, which are asked for every few seconds."""
_FIGURES = ("route", "status", "ms", "waited_ms", "read_ms", "windows", "model")
_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_NOTED = "figures"


def note(scope: Scope, **figures: Any) -> None:
    """Have figures of a request stand in its line."""
    scope.setdefault("state", {}).setdefault(_NOTED, {}).update(figures)


class RequestLog:
    """ASGI application around another one: its responses have the request's id, and each request a line in the log.

    The id is the one that the client sent, unless it could be a text or is too long.
    """

    def __init__(self, app: ASGIApp) -> None:
        from opentelemetry import trace  # loaded by BentoML too, but not by the process that supervises a server

        self._app = app
        self._span = trace.get_current_span
        self._logger = _line_logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log it when it is answered, or has failed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, begun = _request_id(Headers(scope=scope)), time.perf_counter()
        note(scope, status=500)

        async def respond(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID.lower().encode(), request_id.encode())]
                note(scope, status=message["status"])
                if (span := self._span().get_span_context()).is_valid:
                    note(scope, trace_id=f"{span.trace_id:032x}")
            await send(message)

        try:
            await self._app(scope, receive, respond)
        finally:
            if scope["path"] not in SILENT:
                note(scope, ms=milliseconds(time.perf_counter() - begun))
                self._logger.info(_line(request_id, scope["state"][_NOTED]))


def milliseconds(seconds: float) -> float:
    """Return a time in ms, to a hundredth."""
    return round(1000 * seconds, 2)


def _request_id(headers: Headers) -> str:
    given = headers.get(REQUEST_ID, "")
    return given if _SANE.fullmatch(given) else uuid.uuid4().hex


def _line(request_id: str, figures: dict[str, Any]) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": now, "request_id": request_id} | dict.fromkeys(_FIGURES) | figures)


def _line_logger() -> logging.Logger:
    """Return a logger whose messages are whole lines of standard output, without BentoML's prefix."""
    logger = logging.getLogger(__name__)
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler(sys.stdout))
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger
