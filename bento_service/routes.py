"""The service's HTTP routes. A request is one coroutine: read, check, be admitted, await the reader, respond.

`app.state.service` is the service, as soon as it is ready.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bento_service.bodies import JSON, check_media_type, parse, read_body
from bento_service.errors import ServiceError, TooSlow
from bento_service.hub_schema import HubRequest
from bento_service.reading.reader import Query, Reader
from bento_service.request_log import milliseconds, note
from bento_service.responses import ErrorResponse, HealthResponse
from bento_service.schema import VERSION, AnswerRequest, AnswersRequest

PROMPT_BYTES = 10_000
"""A body up to this size is tokenised and decoded on the event loop, within 3 ms; a larger one on a thread."""
CLIENT_LEFT = 499
"""Status of a request whose client has left, as nginx has it. Only metrics and log show it."""

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
RequestBody = AnswerRequest | AnswersRequest | HubRequest


async def answer(request: Request) -> Response:
    """Answer one question from one context or several, or several questions from one."""
    return await _respond(request, AnswerRequest)


async def answers(request: Request) -> Response:
    """Answer a batch of questions, each from its own context."""
    return await _respond(request, AnswersRequest)


async def question_answering(request: Request) -> Response:
    """Answer one question from one context, as the hub's client asks."""
    return await _respond(request, HubRequest)


async def health(request: Request) -> Response:
    """Return whether the service answers, and its model, Bento and data."""
    service = getattr(request.app.state, "service", None)  # None: the server is up, the service is not
    unavailable = HealthResponse(status="unavailable", model_loaded=False, version=VERSION)
    report = unavailable if service is None else service.report()
    return Response(report.model_dump_json(), 200 if report.model_loaded else 503, media_type=JSON)


ROUTES = [
    Route("/", question_answering, methods=["POST"]),
    Route("/answer", answer, methods=["POST"]),
    Route("/answers", answers, methods=["POST"]),
    Route("/health", health),
]


async def _respond(request: Request, model: type[RequestBody]) -> Response:
    """Answer a request within the time limit, or return the contract's error."""
    service = request.app.state.service
    note(request.scope, model=service.headers["X-Model"])
    try:
        async with asyncio.timeout(service.settings.timeout_s):
            content = await _answer(request, model, service)
        return Response(content.model_dump_json(exclude_none=True), media_type=JSON, headers=service.headers)
    except ClientDisconnect:
        return Response(status_code=CLIENT_LEFT)
    except TimeoutError:
        limit = f"no answer within {service.settings.timeout_s:g} s"
        return _refuse(service, TooSlow(f"{limit}; send a shorter context, or try again later"))
    except Exception as error:  # BentoML would log a traceback, and with it maybe the text
        return _refuse(service, error)


def _refuse(service: Any, error: Exception) -> Response:
    service.metrics.count_refusal(error)
    return error_response(error)


async def _answer(request: Request, model: type[RequestBody], service: Any) -> BaseModel:
    """Read and check a request, admit it, await the reader, and return the content of the response."""
    reader, admission = service.reader, service.admission
    check_media_type(request.headers)
    admission.check()
    raw = await read_body(request)
    body = parse(model, raw)
    size = len(raw) * body.passes
    async with _until_client_leaves(request):
        with admission.slot(size):
            prepared = await _run(size, reader.prepare, _queries(body, reader))
            admission.check_time(size, prepared)
            read = await asyncio.wrap_future(reader.submit(prepared))
            waited_ms, read_ms = milliseconds(read.waited_s), milliseconds(read.read_s)
            note(request.scope, waited_ms=waited_ms, read_ms=read_ms, windows=len(read.logits))
            answers = await _run(size, reader.postprocess, prepared, read.logits)
            service.metrics.count_answers(prepared, read, answers, reader.tokens_per_s())
            return body.respond(answers)


def _queries(body: RequestBody, reader: Reader) -> list[Query]:
    return body.to_queries(reader.settings.max_length) if isinstance(body, HubRequest) else body.to_queries()


async def _run(size: int, function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function on the event loop, or on a thread if its work on `size` bytes would block the event loop."""
    return function(*arguments) if size <= PROMPT_BYTES else await asyncio.to_thread(function, *arguments)


@asynccontextmanager
async def _until_client_leaves(request: Request) -> AsyncIterator[None]:
    """Cancel the block when the client leaves. Raises ClientDisconnect then."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # a coroutine runs in a task
    left = False

    async def watch() -> None:
        nonlocal left
        while (await request.receive())["type"] != "http.disconnect":
            pass
        left = True
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if left and not task.uncancel():
            raise ClientDisconnect from None
        raise
    finally:
        watching.cancel()


def error_response(error: Exception) -> Response:
    """Return the contract's response to an error; an unexpected one is logged, by its place only."""
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
