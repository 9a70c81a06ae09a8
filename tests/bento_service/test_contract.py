import asyncio
import json
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from starlette.responses import PlainTextResponse, Response

from bento_service.contract import PROMPT_BYTES, Contract, Endpoint, error_response, parse
from bento_service.errors import InvalidRequest, QuestionTooLong
from bento_service.schema import AnswerRequest

BODY = b'{"question": "Who?", "context": "Ada."}'
SCOPE = {"type": "http", "method": "POST", "path": "/answer", "headers": [(b"content-type", b"application/json")]}


class Connection:
    """A client's side of one request: sends the chunks, then leaves when told to."""

    def __init__(self, *chunks, complete=True):
        self.messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        self.messages[-1]["more_body"] = not complete
        self.left = asyncio.Event()
        self.sent = []
        self.read = 0

    async def receive(self):
        if self.read < len(self.messages):
            self.read += 1
            return self.messages[self.read - 1]
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.sent.append(message)

    @property
    def status(self):
        return self.sent[0]["status"] if self.sent else None

    @property
    def error(self):
        return json.loads(self.sent[1]["body"])["error"]


class Work:
    """What answers behind the contract: promises a response to every request, and keeps its word when told to."""

    def __init__(self):
        self.requests = []
        self.abandoned = []
        self.promises = []
        self.threads = []

    def __call__(self, request, abandoned):
        self.requests.append(request)
        self.abandoned.append(abandoned)
        self.promises.append(Future())
        self.threads.append(threading.current_thread())
        return self.promises[-1]

    def keep(self, number=0):
        self.promises[number].set_result(PlainTextResponse("answer"))


def guard(work, max_concurrency=1, timeout_s=10.0):
    endpoints = {"/answer": Endpoint(AnswerRequest, work)}
    return Contract(
        PlainTextResponse("page"), endpoints=endpoints, max_concurrency=max_concurrency, timeout_s=timeout_s
    )


def start(guarded, connection):
    return asyncio.ensure_future(guarded(dict(SCOPE), connection.receive, connection.send))


async def begun(work, count=1):
    async with asyncio.timeout(5):
        while len(work.promises) < count:
            await asyncio.sleep(0)


async def answered(guarded, work):
    """Send a request, answer it, and return its connection."""
    connection, number = Connection(BODY), len(work.promises)
    running = start(guarded, connection)
    await begun(work, number + 1)
    work.keep(number)
    await running
    return connection


def test_a_checked_request_is_begun_once():
    async def scenario():
        work, connection = Work(), Connection(BODY[:5], BODY[5:])
        running = start(guard(work), connection)
        await begun(work)
        assert not work.abandoned[0]()
        work.keep()
        await running
        assert connection.status == 200
        assert work.requests == [AnswerRequest(question="Who?", context="Ada.")]

    asyncio.run(scenario())


@pytest.mark.parametrize(("characters", "beside"), [(10, False), (PROMPT_BYTES, True)])
def test_the_event_loop_does_not_wait_for_a_long_text_to_be_tokenised(characters, beside):
    async def scenario():
        work = Work()
        running = start(guard(work), connection := Connection(BODY[:-2] + b"a" * characters + BODY[-2:]))
        await begun(work)
        work.keep()
        await running
        assert connection.status == 200
        assert (work.threads[0] is not threading.current_thread()) == beside

    asyncio.run(scenario())


def test_one_too_many_is_refused_at_once_and_not_read():
    async def scenario():
        work, first, second = Work(), Connection(BODY), Connection(BODY)
        guarded = guard(work)
        running = start(guarded, first)
        await begun(work)
        await start(guarded, second)
        assert (second.status, second.error, second.read) == (429, "too_many_requests", 0)
        work.keep()
        await running
        assert first.status == 200
        assert (await answered(guarded, work)).status == 200

    asyncio.run(scenario())


def test_late_work_keeps_its_slot_and_its_answer_is_dropped():
    async def scenario():
        work, late, next_one = Work(), Connection(BODY), Connection(BODY)
        guarded = guard(work, timeout_s=0.1)
        await start(guarded, late)
        assert (late.status, late.error) == (504, "too_slow")
        assert work.abandoned[0]()
        await start(guarded, next_one)
        assert next_one.status == 429
        work.keep()
        await asyncio.sleep(0.01)
        assert len(late.sent) == 2
        assert (await answered(guarded, work)).status == 200

    asyncio.run(scenario())


def test_a_client_that_leaves_gives_its_slot_back():
    async def scenario():
        work, gone = Work(), Connection(BODY)
        guarded = guard(work)
        running = start(guarded, gone)
        await begun(work)
        gone.left.set()
        await running
        assert gone.sent == []
        assert work.abandoned[0]()
        work.keep()
        await asyncio.sleep(0.01)
        assert (await answered(guarded, work)).status == 200

    asyncio.run(scenario())


def test_a_client_that_leaves_while_sending():
    async def scenario():
        work, gone = Work(), Connection(BODY[:5], complete=False)
        gone.left.set()
        await start(guard(work), gone)
        assert (gone.sent, work.requests) == ([], [])

    asyncio.run(scenario())


def test_a_body_that_never_ends_is_read_to_the_limit_only():
    async def scenario():
        connection = Connection(*[b"x" * 100_000] * 50, complete=False)
        await start(guard(Work()), connection)
        assert (connection.status, connection.error, connection.read) == (413, "too_large", 11)

    asyncio.run(scenario())


def test_a_body_that_never_comes():
    async def scenario():
        connection = Connection(BODY[:5], complete=False)
        await start(guard(Work(), timeout_s=0.01), connection)
        assert (connection.status, connection.error) == (504, "too_slow")

    asyncio.run(scenario())


@pytest.mark.parametrize("at_once", [True, False])
def test_an_unforeseen_error_is_logged_by_place_and_not_by_message_and_gives_its_slot_back(caplog, at_once):
    def broken(request, abandoned):
        error = ValueError(f"cannot read {request.context}")
        if at_once:
            raise error
        promise: Future[Response] = Future()
        promise.set_exception(error)
        return promise

    async def scenario():
        guarded = guard(broken)
        for _ in range(2):
            await start(guarded, connection := Connection(BODY))
            assert (connection.status, connection.error) == (500, "internal_error")
            assert "Ada" not in str(connection.sent)

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert len(caplog.records) == 2
    for record in caplog.records:
        assert "ValueError at" in record.getMessage()
        assert ("test_contract.py" if at_once else "/contract.py") in record.getMessage()
        assert "Ada" not in record.getMessage()
        assert record.exc_info is None


def test_a_long_text_that_finds_no_thread_gives_its_slot_back():
    async def scenario():
        work = Work()
        guarded = guard(work)
        ended = ThreadPoolExecutor(1)
        ended.shutdown()
        asyncio.get_running_loop().set_default_executor(ended)
        await start(guarded, connection := Connection(BODY[:-2] + b"a" * PROMPT_BYTES + BODY[-2:]))
        assert (connection.status, connection.error) == (500, "internal_error")
        assert (await answered(guarded, work)).status == 200

    asyncio.run(scenario())


def test_work_that_ends_after_the_server_is_let_go():
    async def scenario():
        work = Work()
        running = start(guard(work), Connection(BODY))
        await begun(work)
        running.cancel()
        return work

    work = asyncio.run(scenario())
    assert work.abandoned[0]()
    work.keep()


def test_foreseen_errors_are_told_as_they_are():
    response = error_response(QuestionTooLong("the question has 400 tokens"))
    assert response.status_code == 413
    assert json.loads(bytes(response.body)) == {"error": "too_large", "detail": "the question has 400 tokens"}


def test_other_paths_pass_through():
    async def scenario():
        connection = Connection(b"anything")
        await guard(Work())({**SCOPE, "path": "/"}, connection.receive, connection.send)
        assert connection.status == 200

    asyncio.run(scenario())


def test_many_errors_are_not_all_listed():
    fields = b", ".join(b'"field%d": 1' % i for i in range(50))
    with pytest.raises(InvalidRequest, match="and 42 more"):
        parse(AnswerRequest, b"{" + fields + b"}")
