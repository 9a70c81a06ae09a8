"""The comparison's arithmetic on a report report by hand; servers are started in test_drive.py."""

import pytest

from loadtest.__main__ import main
from loadtest.servers import charts, compare
from loadtest.servers.targets import targets


def row(server, concurrency, **figures):
    defaults = {"rate": 40.0, "p50_ms": 20.0, "p95_ms": 100.0, "p99_ms": 150.0, "failures": 0, "cpu_ms": 30.0}
    return {
        "server": server,
        "concurrency": concurrency,
        **defaults,
        "memory_mb": 400.0,
        "generator_share": 0.02,
        **figures,
    }


@pytest.fixture
def report():
    report = {
        "model": "extractive-qa:one",
        "cpus": 2,
        "tokens": 139.0,
        "first_answer_s": {"service": 3.0, "baseline": 6.2},
        "engine_alone": {1: 44.0, 8: 45.0},
        "rows": [
            row("service", 1),
            row("baseline", 1, p50_ms=59.0),
            row("service", 8),
            row("baseline", 8, rate=10.0, p95_ms=401.0, memory_mb=900.0),
        ],
        "soak": {"requests": 10_000, "failures": {}, "settled_mb": 400.0, "peak_mb": 440.0, "end_mb": 424.0},
    }
    report["targets"] = [vars(target) | {"met": target.met} for target in targets(report)]
    return report


def test_each_target_is_judged_by_its_own_bound(report):
    assert {target.name: (round(target.observed, 3), target.met) for target in targets(report)} == {
        "answers/s at concurrency 8, over the baseline's": (4.0, True),
        "p95 at concurrency 8, over the baseline's": (0.249, True),
        "p50 at concurrency 1, over the baseline's": (0.339, False),
        "start to first answer, over the baseline's": (0.484, True),
        "greatest memory, over the baseline's": (0.444, True),
        "failures in 10000 requests": (0, True),
        "memory growth once settled": (0.06, False),
    }


def test_what_was_not_run_is_not_judged(report):
    report["rows"] = [row("service", 4), row("baseline", 4)]
    report["soak"] = {}
    names = [target.name for target in targets(report)]
    assert names == ["start to first answer, over the baseline's", "greatest memory, over the baseline's"]


def test_the_table_says_what_was_missed(report):
    lines = compare.table(report).splitlines()
    assert sum(line.startswith(("service ", "baseline ")) for line in lines) == 4
    assert lines[1].endswith("8: 45.0 questions/s (the service answers 0.89 of them)")
    assert [line for line in lines if line.startswith(" NO")] == [
        " NO  p50 at concurrency 1, over the baseline's: 0.339, at most 0.333",
        " NO  memory growth once settled: 0.060, at most 0.050",
    ]


def test_pictures_are_drawn(report, tmp_path):
    charts.comparison(report, tmp_path / "compare.png")
    charts.curve({"by_length": {1000: 0.1, 2000: 0.2}, "by_batch": {1: 0.1, 2: 0.2}}, tmp_path / "curve.png")
    for path in tmp_path.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


def test_without_the_baselines_environment_it_says_how_to_make_it(tmp_path, capsys):
    missing = str(tmp_path / "python")
    assert main(["compare", "--baseline-python", missing, "--output", str(tmp_path / "out")]) == 1
    assert "`make compare` makes" in capsys.readouterr().err


def test_questions_that_are_not_there_are_named(tmp_path, capsys):
    assert main(["curve", "--data", str(tmp_path / "gone.json"), "--output", str(tmp_path / "out")]) == 1
    assert "gone.json" in capsys.readouterr().err
