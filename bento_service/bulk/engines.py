"""Answers many questions in their order, on this machine or by a service at an address."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import Any, TypeVar

import httpx

from bento_service.errors import QuestionTooLong, RemoteError
from bento_service.reading.reader import Prepared, Reader
from bento_service.schema import AnswerRequest, BatchQuery

BATCH = 16
"""Questions that are tokenised at once."""
AHEAD = 4
"""Batches that are submitted ahead, so that the engine never waits for this thread."""
ATTEMPTS = 8
"""Attempts per request while the service does not respond. The pauses between them begin at 1 s and double."""
TIMEOUT_S = 120.0
BUSY, PASSING = 429, (502, 503, 504)
"""Statuses of an overloaded service, and of one that is temporarily unavailable."""

RowRequest = BatchQuery | AnswerRequest
RowResult = dict[str, Any]
"""The fields answer, confidence, start_pos and end_pos, or `error` with the reason why there is no answer."""
Item = TypeVar("Item")
Pending = TypeVar("Pending")
_Submitted = tuple[Sequence[RowRequest], "str | tuple[Prepared, Future[Any]]"]
"""Requests with their pending logits, or the reason why a request cannot be read."""


def in_order(
    items: Iterator[Item], submit: Callable[[Item], Pending], take: Callable[[Pending], Any], ahead: int
) -> Iterator[Any]:
    """Submit up to `ahead` items at once, and yield the result of each in order."""
    pending: deque[Pending] = deque(map(submit, islice(items, ahead)))
    while pending:
        yield take(pending.popleft())
        pending.extend(map(submit, islice(items, 1)))


def local(reader: Reader, requests: Iterable[RowRequest | None]) -> Iterator[RowResult | None]:
    """Answer on this machine. None is a bad row, and its result is None."""
    iterator = iter(requests)
    batches = iter(lambda: list(islice(iterator, BATCH)), [])

    def submit(batch: Sequence[RowRequest | None]) -> tuple[Sequence[RowRequest | None], list[_Submitted]]:
        return batch, _submit(reader, [request for request in batch if request is not None])

    def take(pending: tuple[Sequence[RowRequest | None], list[_Submitted]]) -> list[RowResult | None]:
        batch, submitted = pending
        results = chain.from_iterable(_take(reader, *part) for part in submitted)
        return [None if request is None else next(results) for request in batch]

    for results in in_order(batches, submit, take, AHEAD):
        yield from results


def _submit(reader: Reader, requests: Sequence[RowRequest]) -> list[_Submitted]:
    """Tokenise requests at once and submit them to the engine; one by one if a question is too long."""
    if not requests:
        return []
    try:
        prepared = reader.prepare([query for request in requests for query in request.to_queries()])
    except QuestionTooLong as error:
        if len(requests) > 1:
            return [part for request in requests for part in _submit(reader, [request])]
        return [(requests, f"{error.error}: {error}")]
    return [(requests, (prepared, reader.submit(prepared)))]


def _take(
    reader: Reader, requests: Sequence[RowRequest], read: str | tuple[Prepared, Future[Any]]
) -> Iterator[RowResult]:
    if isinstance(read, str):
        yield {"error": read}
        return
    prepared, future = read
    answers = iter(reader.postprocess(prepared, future.result().logits))
    for request in requests:
        response = request.respond([next(answers) for _ in request.to_queries()])
        yield response.model_dump(exclude_none=True)


def remote(url: str, requests: Iterable[RowRequest | None], in_flight: int) -> Iterator[RowResult | None]:
    """Have the service at `url` answer, with at most `in_flight` requests at once. Raises RemoteError."""
    # A kept connection sends all its requests to the same pod, so that new pods would stay idle.
    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=0)
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, limits=limits) as client, ThreadPoolExecutor(in_flight) as pool:
        try:
            yield from in_order(
                iter(requests),
                lambda request: pool.submit(_ask, client, request),
                lambda future: future.result(),
                in_flight,
            )
        finally:
            pool.shutdown(cancel_futures=True)


def _ask(client: httpx.Client, request: RowRequest | None) -> RowResult | None:
    """Send a request until it is answered. While the service is busy, the number of attempts is not limited."""
    if request is None:
        return None
    attempts = 0
    while True:
        try:
            response = client.post("/answer", json=request.model_dump(exclude_unset=True))
        except httpx.TransportError as error:
            reason = type(error).__name__
        else:
            if response.status_code == BUSY:
                time.sleep(_retry_after(response))
                continue
            if response.status_code not in PASSING:
                return _read(response)
            reason = f"status {response.status_code}"
        attempts += 1
        if attempts == ATTEMPTS:
            raise RemoteError(f"{client.base_url} did not answer {ATTEMPTS} times ({reason}); start the command again")
        time.sleep(min(30.0, 2.0 ** (attempts - 1)))


def _retry_after(response: httpx.Response) -> float:
    value = response.headers.get("Retry-After", "1")
    return float(value) if value.isdigit() else 1.0


def _read(response: httpx.Response) -> RowResult:
    """Return the answer, or the reason why the service refuses the request."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.status_code == 200 and isinstance(body, dict) and "answer" in body:
        return body
    if isinstance(body, dict) and {"error", "detail"} <= body.keys() and response.status_code in (400, 413, 422):
        return {"error": f"{body['error']}: {body['detail']}"}
    raise RemoteError(
        f"{response.url} answered with status {response.status_code}, which is no answer; is it the service?"
    )
