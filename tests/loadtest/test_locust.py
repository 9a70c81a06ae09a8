"""The real Locust against the real service, with the tiny model."""

import json
import os
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from loadtest import questions
from loadtest.__main__ import main
from loadtest.processes import free_port
from tests.commands import ROOT


def locust(url, **environment):
    """Run the locustfile without its UI for a few seconds and return what it counted, by name."""
    words = ["-f", "loadtest/locustfile.py", "--host", url, "--headless", "-u", "4", "-r", "4", "-t", "4s", "--json"]
    completed = subprocess.run(
        [sys.executable, "-m", "locust", *words],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return completed, {entry["name"]: entry for entry in json.loads(completed.stdout)}


def test_every_kind_is_asked_and_every_answer_checked(server):
    completed, counted = locust(server.url, QNA_LOAD_WEIGHTS="short=1,long=1,unanswerable=1")
    assert completed.returncode == 0, completed.stderr
    assert set(counted) == {"/answer short", "/answer long", "/answer unanswerable"}
    assert all(entry["num_requests"] and not entry["num_failures"] for entry in counted.values())


def test_a_shape_decides_how_many_users_there_are(server):
    completed, counted = locust(server.url, QNA_LOAD_SHAPE="soak:users=2,seconds=2")
    assert completed.returncode == 0, completed.stderr
    assert counted["/answer short"]["num_requests"]
    assert "Shape test starting" in completed.stderr


@pytest.fixture
def liar():
    """A service that answers with what is not in the context."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            """Keep the tests' output for the tests."""

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            body = b'{"answer":"nonsense","confidence":1,"start_pos":0,"end_pos":3}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_with_thresholds_passes(server, tmp_path, capsys, workers):
    """With two workers Locust is distributed: a master, and two processes that ask. The questions' path has a space."""
    (tmp_path / "own questions").mkdir()
    data = [shutil.copy(path, tmp_path / "own questions") for path in questions.SAMPLE]
    words = [
        "--data",
        *map(str, data),
        "--url",
        server.url,
        "--shape",
        "ramp:users=3,seconds=1,hold=4",
        "--max-p95-ms",
        "10000",
        "--min-rate",
        "1",
    ]
    assert main(["run", *words, "--workers", workers, "--output", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["passed"] is True
    assert capsys.readouterr().out.count("ok ") == 4
    counted = [sample["requests"] for sample in report["samples"] if sample["stage"] == "hold"]
    assert len(set(counted)) > 0.7 * len(counted)  # a second, a figure


def test_wrong_answers_fail_a_run(liar, tmp_path, capsys):
    words = ["--url", liar, "--shape", "soak:users=1,seconds=3"]
    assert main(["run", *words, "--output", str(tmp_path)]) == 3
    printed = capsys.readouterr().out
    assert "FAILED  failures  100.00%" in printed
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["errors"] == {"not a span of the context": report["samples"][-1]["failures"]}
    assert f"-> not a span of the context: {report['samples'][-1]['failures']} times" in printed


def test_an_address_where_nobody_answers_is_said(tmp_path, capsys):
    """All kinds of question fail alike, and are counted together."""
    words = ["--url", f"http://127.0.0.1:{free_port()}", "--shape", "soak:users=2,seconds=3"]
    assert main(["run", *words, "--output", str(tmp_path)]) == 3
    printed = capsys.readouterr().out
    failures = json.loads((tmp_path / "report.json").read_text())["samples"][-1]["failures"]
    assert f"-> connection refused: {failures} times" in printed
    assert "-> the service was not reached: check --url, and that it runs" in printed


def test_a_shape_that_is_none_is_said(tmp_path, capsys):
    assert main(["run", "--url", "http://localhost:9", "--shape", "waves", "--output", str(tmp_path)]) == 1
    assert "there is no shape waves" in capsys.readouterr().err


def test_long_contexts_hold_their_question_and_the_unanswerable_say_so():
    kinds = questions.kinds(questions.SAMPLE)
    assert all(len(str(body["context"])) > questions.LONG_CHARACTERS for body in kinds["long"])
    assert all(body["allow_no_answer"] for body in kinds["unanswerable"])
    assert len(kinds["short"]) == len(kinds["long"])
