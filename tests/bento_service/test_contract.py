import asyncio
import json
import logging

import pytest
from starlette.responses import PlainTextResponse

from bento_service.contract import TICKET, Contract, Ticket, error_response, parse
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


class Inner:
    """What lies behind the contract: answers when the gate opens."""

    def __init__(self):
        self.gate = asyncio.Event()
        self.tickets = []

    async def __call__(self, scope, receive, send):
        self.tickets.append(scope[TICKET])
        await self.gate.wait()
        await PlainTextResponse("answer")(scope, receive, send)


def guard(inner, max_concurrency=1, timeout_s=10.0):
    return Contract(inner, bodies={"/answer": AnswerRequest}, max_concurrency=max_concurrency, timeout_s=timeout_s)


def start(guarded, connection):
    return asyncio.ensure_future(guarded(dict(SCOPE), connection.receive, connection.send))


async def reached(inner, count=1):
    async with asyncio.timeout(5):
        while len(inner.tickets) < count:
            await asyncio.sleep(0)


def test_a_checked_request_goes_on_once():
    async def scenario():
        inner, connection = Inner(), Connection(BODY[:5], BODY[5:])
        inner.gate.set()
        await start(guard(inner), connection)
        assert connection.status == 200
        assert inner.tickets == [Ticket(AnswerRequest(question="Who?", context="Ada."))]

    asyncio.run(scenario())


def test_one_too_many_is_refused_at_once_and_not_read():
    async def scenario():
        inner, first, second = Inner(), Connection(BODY), Connection(BODY)
        guarded = guard(inner)
        running = start(guarded, first)
        await reached(inner)
        await start(guarded, second)
        assert (second.status, second.error, second.read) == (429, "too_many_requests", 0)
        inner.gate.set()
        await running
        third = Connection(BODY)
        await start(guarded, third)
        assert (first.status, third.status) == (200, 200)

    asyncio.run(scenario())


def test_late_work_keeps_its_slot_and_its_answer_is_dropped():
    async def scenario():
        inner, late, next_one = Inner(), Connection(BODY), Connection(BODY)
        guarded = guard(inner, timeout_s=0.01)
        await start(guarded, late)
        assert (late.status, late.error) == (504, "too_slow")
        assert inner.tickets[0].abandoned
        await start(guarded, next_one)
        assert next_one.status == 429
        inner.gate.set()
        await asyncio.sleep(0.01)
        assert len(late.sent) == 2
        last = Connection(BODY)
        await start(guarded, last)
        assert last.status == 200

    asyncio.run(scenario())


def test_a_client_that_leaves_gives_its_slot_back():
    async def scenario():
        inner, gone = Inner(), Connection(BODY)
        guarded = guard(inner)
        running = start(guarded, gone)
        await reached(inner)
        gone.left.set()
        await running
        assert gone.sent == []
        assert inner.tickets[0].abandoned
        inner.gate.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        follower = Connection(BODY)
        await start(guarded, follower)
        assert follower.status == 200

    asyncio.run(scenario())


def test_a_client_that_leaves_while_sending():
    async def scenario():
        inner, gone = Inner(), Connection(BODY[:5], complete=False)
        gone.left.set()
        await start(guard(inner), gone)
        assert (gone.sent, inner.tickets) == ([], [])

    asyncio.run(scenario())


def test_a_body_that_never_ends_is_read_to_the_limit_only():
    async def scenario():
        inner, connection = Inner(), Connection(*[b"x" * 100_000] * 50, complete=False)
        await start(guard(inner), connection)
        assert (connection.status, connection.error, connection.read) == (413, "too_large", 11)

    asyncio.run(scenario())


def test_a_body_that_never_comes():
    async def scenario():
        inner, connection = Inner(), Connection(BODY[:5], complete=False)
        await start(guard(inner, timeout_s=0.01), connection)
        assert (connection.status, connection.error) == (504, "too_slow")

    asyncio.run(scenario())


def test_an_unforeseen_error_is_logged_by_place_and_not_by_message(caplog):
    def work(body, abandoned):
        raise ValueError(f"cannot read {body.context}")

    with caplog.at_level(logging.ERROR):
        response = Ticket(AnswerRequest(question="Who?", context="Ada.")).redeem(work, {})
    assert response.status_code == 500
    assert json.loads(bytes(response.body))["error"] == "internal_error"
    (record,) = caplog.records
    assert "ValueError at" in record.getMessage()
    assert "test_contract.py" in record.getMessage()
    assert "Ada" not in record.getMessage() + str(response.body)
    assert record.exc_info is None


def test_a_broken_application_is_an_internal_error():
    async def broken(scope, receive, send):
        raise RuntimeError("Ada.")

    async def scenario():
        connection = Connection(BODY)
        await start(guard(broken), connection)
        assert (connection.status, connection.error) == (500, "internal_error")

    asyncio.run(scenario())


def test_abandoned_work_is_not_done():
    ticket = Ticket(AnswerRequest(question="Who?", context="Ada."), abandoned=True)
    assert ticket.redeem(lambda body, abandoned: pytest.fail("nobody waits for this"), {}).status_code == 504


def test_foreseen_errors_are_told_as_they_are():
    response = error_response(QuestionTooLong("the question has 400 tokens"))
    assert response.status_code == 413
    assert json.loads(bytes(response.body)) == {"error": "too_large", "detail": "the question has 400 tokens"}


def test_other_paths_pass_through():
    async def scenario():
        connection = Connection(b"anything")
        await guard(PlainTextResponse("page"))({**SCOPE, "path": "/"}, connection.receive, connection.send)
        assert connection.status == 200

    asyncio.run(scenario())


def test_many_errors_are_not_all_listed():
    fields = b", ".join(b'"field%d": 1' % i for i in range(50))
    with pytest.raises(InvalidRequest, match="and 42 more"):
        parse(AnswerRequest, b"{" + fields + b"}")
