"""Load on a real service, and on a server whose answers are known to be wrong."""

import json
import math
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loadtest import processes, questions
from loadtest.questions import SAMPLE, Question
from loadtest.servers import curve
from loadtest.servers.drive import Load, drive
from loadtest.servers.server import MemorySampler, Server, running
from tests.commands import ROOT

EXAMPLES = questions.load(SAMPLE, count=20)


def test_every_question_is_answered_by_the_service(server):
    load = drive(server.url, EXAMPLES, concurrency=4, count=40)
    assert (len(load.latencies_s), load.failures) == (40, Counter())
    assert 0 < load.percentile_ms(50) <= load.percentile_ms(99)
    assert load.generator_cpu_s > 0


def test_load_for_a_time_ends(server):
    load = drive(server.url, EXAMPLES, concurrency=2, seconds=0.5)
    assert load.latencies_s
    assert load.seconds < 10


class Wrong(BaseHTTPRequestHandler):
    """Answers as the question says: another status, no JSON, a text that is not in the context."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["question"]
        answers = {"empty": {"answer": "", "start_pos": 0, "end_pos": 0}, "other": {"answer": "b", "start_pos": 0}}
        content = (
            json.dumps({"end_pos": 1} | answers.get(question, {})).encode() if question != "no JSON" else b"<html>"
        )
        self.send_response(503 if question == "busy" else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def wrong():
    with ThreadingHTTPServer(("127.0.0.1", 0), Wrong) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_what_is_wrong_is_counted_by_its_kind(wrong):
    examples = [Question(name, "abc") for name in ("busy", "no JSON", "other", "empty", "no answer")]
    load = drive(wrong, examples, concurrency=1, count=5)
    expected = {"status 503": 1, "JSONDecodeError": 1, "not a span of the context": 2, "KeyError": 1}
    assert load.failures == Counter(expected)
    assert math.isnan(load.percentile_ms(50))


def test_nobody_there_is_a_failure():
    load = drive(f"http://127.0.0.1:{processes.free_port()}", EXAMPLES, concurrency=2, count=3)
    assert load.failures.total() == 3


def test_loads_add_up():
    both = Load(1.0, [0.1], Counter(a=1), 0.5) + Load(3.0, [0.2, 0.3], Counter(a=1, b=1), 0.1)
    assert both == Load(4.0, [0.1, 0.2, 0.3], Counter(a=2, b=1), 0.6)
    assert both.rate == 0.75


def test_a_server_that_ends_is_told_with_its_log(tmp_path):
    command = ["sh", "-c", "echo no such model; exit 3"]
    with (
        pytest.raises(RuntimeError, match="the service ended with 3:\nno such model"),
        running("service", command, processes.free_port(), b"", cwd=ROOT, env={}, log=tmp_path / "log"),
    ):
        pass


def test_a_process_is_watched_with_all_below_it(server):
    watched = Server("service", server.address[1], server.pid, 0.0)
    before = watched.cpu_s()
    with MemorySampler(watched) as memory:
        drive(watched.url, EXAMPLES, concurrency=4, count=40)
    assert watched.cpu_s() > before
    assert memory.peak_mb > 100


def test_the_curve_covers_lengths_and_batches(server):
    report = curve.measure(
        Server("service", server.address[1], server.pid, 0.0),
        EXAMPLES,
        lengths=(1_000, 10_000, 20_000),
        batch_sizes=(1, 4),
        repeats=1,
    )
    assert set(report["by_length"]) == {1_000, 10_000, 20_000}
    assert set(report["by_batch"]) == {1, 4}
    assert all(seconds > 0 for figures in (report["by_length"], report["by_batch"]) for seconds in figures.values())
    assert len(curve.table(report).splitlines()) == 1 + 3 + 1 + 2 + 1
