"""The routes in process, with a real reader whose engine waits to be told."""

import asyncio
import json
import logging
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from starlette.applications import Starlette

from bento_service.admission import Admission
from bento_service.bodies import parse
from bento_service.errors import InvalidRequest, QuestionTooLong
from bento_service.metrics import Metrics
from bento_service.reading.reader import Reader, ReaderSettings
from bento_service.reading.tokenization import TextTokenizer
from bento_service.routes import CLIENT_LEFT, PROMPT_BYTES, ROUTES, error_response
from bento_service.schema import AnswerRequest
from bento_service.settings import ServiceSettings

pytestmark = pytest.mark.anyio

WAIT_S = 20
BODY = b'{"question": "Who?", "context": "Ada."}'
LONG = BODY[:-2] + b" Ada" * PROMPT_BYTES + BODY[-2:]
SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/answer",
    "query_string": b"",
    "headers": [(b"content-type", b"application/json")],
}


@pytest.fixture
def anyio_backend():
    return "asyncio"


class GatedEngine:
    """Reads a window for every release of `gate`; `begun` is released when it begins one."""

    batch_size = workers = 1

    def __init__(self):
        self.gate, self.begun = threading.Semaphore(0), threading.Semaphore(0)
        self.windows = 0
        self.failure = None

    def run(self, input_ids, attention_mask, token_type_ids, *, alone=False):
        self.windows += 1
        self.begun.release()
        assert self.gate.acquire(timeout=WAIT_S)
        if self.failure is not None:
            raise self.failure
        logits = np.zeros(input_ids.shape, dtype=np.float32)
        return logits, logits


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


@pytest.fixture
def engine():
    gated = GatedEngine()
    yield gated
    gated.gate.release(1000)  # let its thread end


@pytest.fixture
def serving(engine, tokenizer_file):
    """A function that returns the routes' application, with these limits."""

    def make(max_concurrency=1, timeout_s=10.0):
        reader = Reader(TextTokenizer.from_file(tokenizer_file), engine, ReaderSettings())
        limits = {"max_concurrency": max_concurrency, "timeout_s": timeout_s}
        app = Starlette(routes=ROUTES)
        settings = ServiceSettings(**limits)
        app.state.service = SimpleNamespace(
            settings=settings,
            headers={"X-Model": "m"},
            reader=reader,
            admission=Admission(reader, **limits),
            metrics=Metrics("m", None),
        )
        return app

    return make


def start(app, connection):
    return asyncio.ensure_future(app(dict(SCOPE), connection.receive, connection.send))


def counted(app, name, **labels):
    """Return the value of one of the application's series; None when there is none."""
    return app.state.service.metrics.registry.get_sample_value(f"extractive_qa_{name}", labels)


async def begun(engine):
    """Wait until the engine has begun a window."""
    assert await asyncio.to_thread(engine.begun.acquire, timeout=WAIT_S)


async def answered(app, engine):
    """Send a request, let it be read, and return its connection."""
    connection = Connection(BODY)
    engine.gate.release()
    await start(app, connection)
    await begun(engine)
    return connection


@pytest.mark.parametrize("body", [BODY, LONG], ids=["short", "long"])
async def test_a_request_is_answered(serving, engine, body):
    connection = Connection(body[:5], body[5:])
    engine.gate.release(500)
    await start(serving(), connection)
    assert connection.status == 200
    assert (b"x-model", b"m") in connection.sent[0]["headers"]
    fields = {"answer", "confidence", "start_pos", "end_pos"}
    assert set(json.loads(connection.sent[1]["body"])) == (fields if body == BODY else fields | {"occurrences"})


async def test_the_event_loop_does_not_wait_for_a_long_text_to_be_tokenised(serving, engine):
    threads = []
    app = serving()
    reader = app.state.service.reader
    prepare = reader.prepare

    def watched(queries):
        threads.append(threading.current_thread())
        return prepare(queries)

    reader.prepare = watched
    engine.gate.release(500)
    await start(app, Connection(BODY))
    await start(app, Connection(LONG))
    assert [thread is threading.current_thread() for thread in threads] == [True, False]


async def test_one_too_many_is_refused_at_once_and_not_read(serving, engine):
    app, first, second = serving(), Connection(BODY), Connection(BODY)
    running = start(app, first)
    await begun(engine)
    await start(app, second)
    assert (second.status, second.error, second.read) == (429, "too_many_requests", 0)
    assert counted(app, "refusals_total", reason="TooManyRequests") == 1
    engine.gate.release()
    await running
    assert first.status == 200
    assert (await answered(app, engine)).status == 200


async def test_what_is_late_is_not_read_on_and_gives_its_slot_back(serving, engine):
    app, late = serving(timeout_s=0.1), Connection(LONG)
    await start(app, late)
    assert (late.status, late.error) == (504, "too_slow")
    assert counted(app, "refusals_total", reason="TooSlow") == 1
    engine.gate.release()  # the window that was being read
    app.state.service.settings = ServiceSettings(timeout_s=10)
    assert (await answered(app, engine)).status == 200
    assert engine.windows <= 2  # of the hundred of the late one, the first alone


async def test_a_client_that_leaves_is_not_read_on_and_gives_its_slot_back(serving, engine):
    app, gone = serving(timeout_s=3600), Connection(LONG)  # not the deadline: the leaving ends the request
    running = start(app, gone)
    await begun(engine)
    gone.left.set()
    await asyncio.wait_for(running, WAIT_S)
    assert gone.status == CLIENT_LEFT
    assert counted(app, "answers_total", outcome="answer") == 0
    engine.gate.release()
    assert (await answered(app, engine)).status == 200
    assert engine.windows == 2


async def test_a_client_that_leaves_while_sending(serving, engine):
    gone = Connection(BODY[:5], complete=False)
    gone.left.set()
    await start(serving(), gone)
    assert (gone.status, engine.windows) == (CLIENT_LEFT, 0)


async def test_a_body_that_never_ends_is_read_to_the_limit_only(serving):
    connection = Connection(*[b"x" * 100_000] * 50, complete=False)
    await start(serving(), connection)
    assert (connection.status, connection.error, connection.read) == (413, "too_large", 11)


async def test_a_body_that_never_comes(serving):
    connection = Connection(BODY[:5], complete=False)
    await start(serving(timeout_s=0.01), connection)
    assert (connection.status, connection.error) == (504, "too_slow")


async def test_an_unforeseen_error_is_logged_by_place_and_not_by_message(serving, engine, caplog):
    app = serving()
    engine.failure = ValueError("cannot read Ada.")
    engine.gate.release(2)
    with caplog.at_level(logging.ERROR):
        for _ in range(2):  # the slot is free again
            await start(app, connection := Connection(BODY))
            assert (connection.status, connection.error) == (500, "internal_error")
            assert "Ada" not in str(connection.sent)
    assert counted(app, "refusals_total", reason="ServiceError") == 2
    assert len(caplog.records) == 2
    for record in caplog.records:
        assert "ValueError at" in record.getMessage()
        assert "Ada" not in record.getMessage()
        assert record.exc_info is None


async def test_a_request_that_is_cancelled_from_outside_gives_its_slot_back(serving, engine):
    """As a server does that stops."""
    app = serving()
    running = start(app, Connection(BODY))
    await begun(engine)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    engine.gate.release()
    assert (await answered(app, engine)).status == 200


async def test_health_before_the_model_is_loaded():
    connection = Connection(b"")
    await Starlette(routes=ROUTES)(SCOPE | {"path": "/health", "method": "GET"}, connection.receive, connection.send)
    assert connection.status == 503
    assert json.loads(connection.sent[1]["body"])["model_loaded"] is False


def test_foreseen_errors_are_told_as_they_are():
    response = error_response(QuestionTooLong("the question has 400 tokens"))
    assert response.status_code == 413
    assert json.loads(bytes(response.body)) == {"error": "too_large", "detail": "the question has 400 tokens"}


def test_many_errors_are_not_all_listed():
    fields = b", ".join(b'"field%d": 1' % i for i in range(50))
    with pytest.raises(InvalidRequest, match="and 40 more"):
        parse(AnswerRequest, BODY[:-1] + b", " + fields + b"}")
