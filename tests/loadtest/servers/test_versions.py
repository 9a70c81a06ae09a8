"""Two servers in turn, here one and the same, and the table of what was measured."""

import pytest

from loadtest import questions
from loadtest.servers import versions
from loadtest.servers.server import SERVICE, Server

TURNS = {
    "service": [{"rate": 90.0, "cpu_ms": 11.0, "loop_ms": 1.5}, {"rate": 80.0, "cpu_ms": 11.5, "loop_ms": 1.5}],
    "other": [{"rate": 91.0, "cpu_ms": 10.0, "loop_ms": 1.0}, {"rate": 81.0, "cpu_ms": 10.0, "loop_ms": 1.0}],
}


def test_both_get_as_many_turns(server):
    port = server.address[1]
    ours, other = (Server(name, port, server.pid, 0.0) for name in (SERVICE, versions.OTHER))
    examples = questions.load(questions.SAMPLE, count=20)
    report = versions.compare(ours, other, examples, concurrency=2, seconds=0.2, rounds=2)
    assert {name: len(turns) for name, turns in report["turns"].items()} == {"service": 2, "other": 2}
    assert all(turn["rate"] > 0 for turns in report["turns"].values() for turn in turns)
    for more in report["more"].values():
        low, high = more["interval_ms"]
        assert low <= more["ms"] <= high


def test_the_event_loop_has_a_part_of_the_time(server):
    ours, other = (Server(name, server.address[1], server.pid, 0.0) for name in (SERVICE, versions.OTHER))
    examples = questions.load(questions.SAMPLE, count=20)
    report = versions.compare(ours, other, examples, concurrency=4, seconds=1, rounds=1)
    (turn,) = report["turns"]["service"]
    assert 0 < turn["loop_ms"] < turn["cpu_ms"]


def test_the_table_says_what_an_answer_takes_more():
    more = {"cpu_ms": {"ms": 1.25, "interval_ms": [1.0, 1.5]}, "loop_ms": {"ms": 0.5, "interval_ms": [0.4, 0.6]}}
    report = {"turns": TURNS, "more": more}
    lines = versions.table(report).splitlines()
    assert lines[1].split() == ["service", "85.0", "11.25", "1.500"]
    assert lines[3:] == [
        "an answer takes +1.250 ms (+12.5% of an answer's CPU time), 90 % interval +1.000 to +1.500 ms",
        "of it on the event loop +0.500 ms (+5.0% of an answer's CPU time), 90 % interval +0.400 to +0.600 ms",
    ]


def test_a_server_that_fails_is_named(server):
    gone = Server(versions.OTHER, 1, server.pid, 0.0)
    ours = Server(SERVICE, server.address[1], server.pid, 0.0)
    examples = questions.load(questions.SAMPLE, count=2)
    with pytest.raises(RuntimeError, match="the other failed"):
        versions.compare(ours, gone, examples, concurrency=1, seconds=0.1, rounds=2)
