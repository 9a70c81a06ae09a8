"""Turns HTTP requests into checked requests, their answers into responses, and what goes wrong into its errors."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bento_service.admission import Admission
from bento_service.errors import (
    EmptyText,
    InvalidRequest,
    MalformedJson,
    ServiceError,
    TooLarge,
    TooSlow,
    UnsupportedMediaType,
)
from bento_service.schema import BATCH_TOO_LARGE, EMPTY, MAX_BODY_BYTES, ErrorResponse

JSON = "application/json"
PROMPT_BYTES = 10_000
"""A body up to this is tokenised on the event loop, in 3 ms if it is prose, 20 at worst; a greater one, on a thread."""
PATIENCE_S = 0.25
"""From then on it is watched whether the client leaves. To watch costs a third of all that the contract does, most
have their answer before, and what is done for one that leaves sooner is not much."""
MAX_LISTED_ERRORS = 10
MAX_NAME_CHARACTERS = 60

_SAYINGS = {"missing": "is missing", "extra_forbidden": "is not a field of this request"}
_TOO_LARGE = ("string_too_long", "too_long", BATCH_TOO_LARGE)

logger = logging.getLogger(__name__)
Body = TypeVar("Body", bound=BaseModel)


Work = Callable[[Any, Callable[[], bool]], Future[Response]]
"""Begins to answer a checked request, and promises the response; asks now and then whether the request is abandoned.
Nobody cancels the promise."""


@dataclass(frozen=True)
class Endpoint:
    """What a path takes, and what answers it."""

    body: type[BaseModel]
    work: Work


class Contract:
    """ASGI middleware that answers the paths with a body: checks it, bounds how many at once and how long.

    BentoML's router, which lies behind it, would read and check the body again and hand the request to a thread, and
    its own concurrency limit and timeout answer in a shape of their own. Without these an answer takes a third less of
    everything but the engine.
    """

    def __init__(
        self, app: ASGIApp, *, endpoints: Mapping[str, Endpoint], max_concurrency: int, timeout_s: float
    ) -> None:
        self._app = app
        self._endpoints = endpoints
        self._timeout_s = timeout_s
        self._admission = Admission(max_concurrency=max_concurrency, timeout_s=timeout_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        try:
            response = await self._response(scope, receive, endpoint)
        except _Disconnected:
            return
        except Exception as error:  # BentoML would log a traceback, and with it maybe the text
            response = error_response(error)
        await response(scope, receive, send)

    async def _response(self, scope: Scope, receive: Receive, endpoint: Endpoint) -> Response:
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        self._admission.check()
        headers = Headers(scope=scope)
        _check_media_type(headers)
        body = await _read(headers, receive, deadline)
        request = parse(endpoint.body, body)
        self._admission.enter(len(body))
        answer = self._begun(endpoint.work, request, len(body))

        def watch() -> None:
            watching = asyncio.ensure_future(self._watch(receive, deadline, answer))
            answer.add_done_callback(lambda _: watching.cancel())

        loop = asyncio.get_running_loop()
        begin = loop.call_at(min(loop.time() + PATIENCE_S, deadline), watch)
        try:
            return await answer
        finally:
            begin.cancel()

    def _begun(self, work: Work, request: BaseModel, size: int) -> asyncio.Future[Response]:
        """Begin the work on a checked request of `size` bytes, and return its answer as the event loop's.

        Who ends the answer before the work does abandons it. The engine can't be stopped, and the request's slot is
        free only when the work is done: late work can't pile up.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Response] = loop.create_future()

        def settle(promise: Future[Response]) -> None:
            self._admission.leave(size, read=not answer.done())
            if answer.done():
                return
            error = promise.exception()
            if error is None:
                answer.set_result(promise.result())
            else:
                answer.set_exception(error)

        def hand_over(promise: Future[Response]) -> None:
            with suppress(RuntimeError):  # the server has stopped, and its event loop is closed
                loop.call_soon_threadsafe(settle, promise)

        def begin() -> None:
            try:
                promise = work(request, answer.done)
            except Exception as error:
                promise = _failed(error)
            promise.add_done_callback(hand_over)

        if size <= PROMPT_BYTES:
            begin()
        else:  # on a thread, so that the event loop does not wait for it
            try:
                loop.run_in_executor(None, begin)
            except RuntimeError as error:  # there is none to be had
                hand_over(_failed(error))
        return answer

    async def _watch(self, receive: Receive, deadline: float, answer: asyncio.Future[Response]) -> None:
        """End an answer that comes too late, or whose client has left."""
        try:
            async with asyncio.timeout_at(deadline):
                await _disconnected(receive)
            error: Exception = _Disconnected()
        except TimeoutError:
            error = TooSlow(f"no answer within {self._timeout_s:g} s; send a shorter context, or try again later")
        if not answer.done():
            answer.set_exception(error)


def _failed(error: Exception) -> Future[Response]:
    promise: Future[Response] = Future()
    promise.set_exception(error)
    return promise


def parse(model: type[Body], body: bytes) -> Body:
    """Return the body as the model. Raises MalformedJson, InvalidRequest, TooLarge or EmptyText."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise _explain(error.errors(include_url=False, include_input=False)) from None


def error_response(error: Exception) -> Response:
    """Return the contract's response to an error; one that nobody foresaw is logged, by its place only."""
    if not isinstance(error, ServiceError):
        _log(error)
        error = ServiceError("the server failed; its log says where")
    content = ErrorResponse(error=error.error, detail=str(error)).model_dump_json()
    return Response(content, error.status, media_type=JSON, headers=error.headers)


def _log(error: Exception) -> None:
    """Log an error's type and place. Its message and the traceback's lines could hold the text."""
    frames = traceback.extract_tb(error.__traceback__)
    place = " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames[-3:]))
    logger.error("internal error: %s at %s", type(error).__name__, place)


def _explain(errors: list[ErrorDetails]) -> ServiceError:
    """Turn pydantic's errors into one: a wrong shape before a wrong size before an empty text."""
    kinds = {error["type"] for error in errors}
    if "json_invalid" in kinds:
        reason = errors[0].get("ctx", {}).get("error", "unreadable")
        return MalformedJson(f"the body is not JSON in UTF-8: {reason}")
    detail = "; ".join(_say(error) for error in errors[:MAX_LISTED_ERRORS])
    if len(errors) > MAX_LISTED_ERRORS:
        detail += f"; and {len(errors) - MAX_LISTED_ERRORS} more"
    if kinds <= {EMPTY}:
        return EmptyText(detail)
    return TooLarge(detail) if kinds <= {EMPTY, *_TOO_LARGE} else InvalidRequest(detail)


def _say(error: ErrorDetails) -> str:
    """Name the field and what is wrong with it; a name is cut, as a client may have sent a text in its place."""
    names = [str(part) for part in error["loc"]]
    field = ".".join(name if len(name) <= MAX_NAME_CHARACTERS else name[:MAX_NAME_CHARACTERS] + "…" for name in names)
    return f"{field or 'body'}: {_SAYINGS.get(error['type'], error['msg'])}"


def _check_media_type(headers: Headers) -> None:
    media_type, *parameters = (part.strip().lower() for part in headers.get("content-type", "").split(";"))
    charsets = [value.strip('"') for name, _, value in (p.partition("=") for p in parameters) if name == "charset"]
    if media_type != JSON or any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise UnsupportedMediaType("send the body as JSON in UTF-8, with the header Content-Type: application/json")


async def _read(headers: Headers, receive: Receive, deadline: float) -> bytes:
    """Read the body, at most MAX_BODY_BYTES of it, whatever its Content-Length says."""
    declared = headers.get("content-length", "0")
    too_large = TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes; send a shorter context or smaller batches")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout_at(deadline):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Disconnected
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise too_large
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise TooSlow("the body did not arrive in time; send it at once") from None


async def _disconnected(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _Disconnected(Exception):
    """The client left: nobody to answer."""
