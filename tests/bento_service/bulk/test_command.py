"""The real `python -m bento_service answer`: killed and started again, and by a service that says when it is busy."""

import json
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

from bento_service.bulk import engines
from bento_service.errors import RemoteError
from bento_service.schema import AnswerRequest
from loadtest import processes
from tests.commands import ROOT
from tests.servers import serve

ROWS = [{"n": i, "question": f"Who is {i}?", "context": f"Zoë is {i}. " + "Ada is not. " * 40} for i in range(400)]


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def command(*words, home):
    environment = {**os.environ, "BENTOML_HOME": str(home)}
    command = [sys.executable, "-m", "bento_service", "answer", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_run_that_was_killed_loses_no_row_and_answers_none_twice(questions, tiny_store, tmp_path):
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    done = command(questions, "--output", whole, home=tiny_store)
    log = done.communicate(timeout=120)[1]
    assert done.returncode == 0, log
    part = tmp_path / "cut.jsonl.part"
    running = command(questions, "--output", cut, home=tiny_store)
    deadline = time.monotonic() + 100
    while not part.exists() or part.read_bytes().count(b"\n") < 20:
        assert running.poll() is None
        assert time.monotonic() < deadline
    running.send_signal(signal.SIGKILL)
    running.communicate()
    answered = part.read_bytes().count(b"\n") - 1
    assert answered < len(ROWS), "it ended before it was killed"
    again = command(questions, "--output", cut, home=tiny_store)
    log = again.communicate(timeout=120)[1]
    assert f"{answered} of 400 rows are answered already" in log
    rows = [json.loads(line) for line in cut.read_text().splitlines()]
    assert [row["n"] for row in rows] == list(range(400))
    assert cut.read_bytes() == whole.read_bytes()


def test_a_service_that_is_busy_is_asked_again_when_it_says_so(tiny_store, tmp_path):
    bodies = [{"question": row["question"], "context": row["context"]} for row in ROWS[:30]]
    requests = [AnswerRequest.model_validate(body) for body in bodies]
    with serve(tiny_store, tmp_path, QNA_MAX_CONCURRENCY="1") as server:
        answers = list(engines.remote(server.url, [*requests, None], in_flight=8))
        busy = httpx.get(f"{server.url}/metrics").text
        expected = [
            httpx.post(f"{server.url}/answer", json=request.model_dump(exclude_unset=True)).json()
            for request in requests
        ]
    assert 'http_response_code="429"' in busy
    assert answers == [*expected, None]


def test_what_a_service_refuses_is_the_rows_error(server):
    long = AnswerRequest(question="why " * 400, context="Ada.")
    (answer,) = engines.remote(server.url, [long], in_flight=2)
    assert answer is not None
    assert answer["error"].startswith("too_large: the question has")


def test_an_address_without_a_service_is_named(monkeypatch):
    monkeypatch.setattr(engines, "ATTEMPTS", 1)
    url = f"http://127.0.0.1:{processes.free_port()}"
    with pytest.raises(RemoteError, match="did not answer"):
        list(engines.remote(url, [AnswerRequest(question="Who?", context="Ada.")], in_flight=1))


def test_another_server_is_no_service(server):
    with pytest.raises(RemoteError, match="status 404, which is no answer; is it the service"):
        list(engines.remote(f"{server.url}/docs", [AnswerRequest(question="Who?", context="Ada.")], in_flight=1))
