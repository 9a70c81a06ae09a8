"""One line of JSON for each request, on standard output: how it ended and how long it took. Never what was asked."""

from __future__ import annotations

import json
import re
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from opentelemetry import trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = "X-Request-ID"
SILENT = ("/health", "/healthz", "/livez", "/readyz", "/metrics")
"""Paths without a line: probes and Prometheus request them every few seconds."""
_FIGURES = ("route", "status", "ms", "waited_ms", "read_ms", "windows", "model")
_SANE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_NOTED = "figures"
_HEADER = REQUEST_ID.lower().encode()
"""The header's name as ASGI has it."""


def note(scope: Scope, **figures: Any) -> None:
    """Add figures to the line of a request."""
    scope.setdefault("state", {}).setdefault(_NOTED, {}).update(figures)


class RequestLog:
    """ASGI application that adds an id to the responses of another one, and logs a line for each request.

    A client may send the id. An id that is too long or could be a text is replaced.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log it when it is answered, or has failed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, begun = _request_id(scope), time.perf_counter()
        note(scope, status=500)

        async def respond(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (_HEADER, request_id.encode())]
                note(scope, status=message["status"])
                if (span := trace.get_current_span().get_span_context()).is_valid:
                    note(scope, trace_id=f"{span.trace_id:032x}")
            await send(message)

        try:
            await self._app(scope, receive, respond)
        finally:
            if scope["path"] not in SILENT:
                note(scope, ms=milliseconds(time.perf_counter() - begun))
                with suppress(OSError):  # the answer is sent, and a full disk is no reason to fail
                    print(_line(request_id, scope["state"][_NOTED]), flush=True)


def milliseconds(seconds: float) -> float:
    """Return a time in ms, to a hundredth."""
    return round(1000 * seconds, 2)


def _request_id(scope: Scope) -> str:
    given: str = dict(scope["headers"]).get(_HEADER, b"").decode("latin-1")
    return given if _SANE.fullmatch(given) else secrets.token_hex(16)


def _line(request_id: str, figures: dict[str, Any]) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": now, "request_id": request_id} | dict.fromkeys(_FIGURES) | figures)
