"""Samples by hand: 2 pods at first, 6 under load, 2 again."""

import csv
import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from deploy.autoscaling import Autoscaler
from loadtest import criteria, report, timeline
from loadtest.cluster.verdict import BASELINE, COOL, HOLD, RAMP, SCALED, Limits, judge
from loadtest.samples import Pod, Sample

REQUEST_M = 250.0
SHARES = {f"pod-{number}": 100.0 for number in range(6)}


def sample(second, stage, pods, desired, *, percent=3, p95=200.0, idle=3.0, failures=0, answered=None):
    answered = answered or {}
    return Sample(
        second=second,
        stage=stage,
        users=10,
        requests=int(second) * 10,
        failures=failures,
        rate=10.0,
        p50_ms=50.0,
        p95_ms=p95,
        autoscaler=Autoscaler(2, 6, 5, pods, desired, percent),
        pods={name: Pod(idle, answered.get(name)) for name in (f"pod-{number}" for number in range(pods))},
    )


def course(shares=SHARES, **last):
    return [
        sample(0, BASELINE, 2, 2),
        sample(10, RAMP, 2, 4, percent=40),
        sample(20, HOLD, 4, 6, percent=60),
        sample(30, SCALED, 6, 6, percent=30, answered=dict.fromkeys(SHARES, 7.0)),
        sample(39, SCALED, 6, 6, percent=30, answered={name: 7.0 + count for name, count in shares.items()}),
        sample(40, COOL, 6, 6),
        sample(99, COOL, **({"pods": 2, "desired": 2} | last)),
    ]


def verdict(samples, **limits):
    return {check.name: check for check in judge(samples, Limits(**limits), REQUEST_M)}


def test_what_scaled_up_and_back_passes():
    checks = verdict(course())
    assert len(checks) == 8
    assert all(check.passed for check in checks.values()), report.table(list(checks.values()))


def test_no_sample_of_the_autoscaler_is_a_failure():
    (check,) = judge([replace(sample(0, BASELINE, 2, 2), autoscaler=None)], Limits(), REQUEST_M)
    assert not check.passed


def test_what_was_up_already_has_not_been_seen_to_scale():
    samples = [sample(0, BASELINE, 6, 6), *course()[1:]]
    check = verdict(samples)["began at the minimum"]
    assert (check.passed, check.observed, check.expected) == (False, "6 ready", "2 ready")
    assert "something else puts load on it" in check.why
    still = [sample(0, BASELINE, 6, 6), sample(10, RAMP, 2, 2), sample(20, SCALED, 2, 2), sample(99, COOL, 2, 2)]
    assert not verdict(still)["scaled up"].passed


def test_what_never_scaled_is_explained_by_its_cpu():
    still = [
        sample(second, stage, 2, 2, percent=4) for second, stage in enumerate((BASELINE, RAMP, HOLD, SCALED, COOL))
    ]
    check = verdict(still)["scaled up"]
    assert not check.passed
    assert check.why == "CPU rose to 4 % of the request at most: ask with more users"


def test_replicas_that_do_not_get_ready_point_at_the_nodes():
    samples = [*course()[:3], sample(25, HOLD, 6, 8), *course()[3:]]
    check = verdict(samples, replicas=8)["reached the expected replicas in time"]
    assert (check.passed, check.observed, check.expected) == (False, "6 ready", "8 ready")
    assert "preflight" in check.why


def test_replicas_that_the_autoscaler_never_wanted_do_not_point_at_the_nodes():
    check = verdict(course(), replicas=8)["reached the expected replicas in time"]
    assert check.why == "the HPA wanted 6 at most: CPU rose to 60 % of the request at most: ask with more users"


def test_without_a_metric_the_metrics_api_is_named():
    stages = (BASELINE, RAMP, HOLD, SCALED, COOL)
    blind = [sample(second, stage, 2, 2, percent=None) for second, stage in enumerate(stages)]
    for name in ("scaled up", "reached the expected replicas in time"):
        assert "the metrics API does not answer: install metrics-server" in verdict(blind)[name].why


def test_pods_that_idle_too_dearly_never_leave_and_the_arithmetic_says_so():
    """5 % of 250m is 12.5m; 2 replicas are reached below 12.5 x 2/3 = 8.3m."""
    check = verdict(course(pods=3, desired=3, idle=9.0))["back to the minimum"]
    assert (check.passed, check.observed) == (False, "3 ready")
    assert check.why.startswith("an idle pod uses 9.0m; 2 replicas are reached below 8.3m (12.5m x 2/3)")


def test_pods_that_idle_cheaply_only_need_more_time():
    check = verdict(course(pods=6, desired=6))["back to the minimum"]
    assert "wait longer" in check.why


@pytest.mark.parametrize(
    ("last", "limits", "name"),
    [({"failures": 1}, {}, "failures"), ({"percent": None}, {}, "the HPA could read its metric")],
)
def test_each_part_can_fail(last, limits, name):
    assert not verdict(course(**last), **limits)[name].passed


def test_failures_may_be_allowed():
    assert verdict(course(failures=3), failures=3)["failures"].passed


def test_latency_counts_while_scaled_alone():
    samples = [replace(taken, p95_ms=9_000.0) if taken.stage != SCALED else taken for taken in course()]
    assert verdict(samples)["p95 while scaled"].passed
    assert not verdict(course(), p95_ms=100)["p95 while scaled"].passed


def test_a_pod_that_gets_less_than_half_of_its_share_is_found():
    """Of 540 requests each of 6 pods should get 90; 40 are 44 % of that."""
    check = verdict(course(SHARES | {"pod-0": 40.0}))["each pod got its share"]
    assert (check.passed, check.observed) == (False, "44% of an equal one, of 6 pods")
    assert verdict(course(SHARES | {"pod-0": 60.0}))["each pod got its share"].passed
    assert not verdict(course({}))["each pod got its share"].passed


def test_the_report_is_written_for_all_its_readers(tmp_path):
    samples = course()
    checks = judge(samples, Limits(p95_ms=100), REQUEST_M)
    report.write(tmp_path, "Autoscaling", samples, checks, {"url": "http://<here>"})
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["passed"] is False
    assert len(content["samples"]) == len(samples)
    rows = list(csv.DictReader((tmp_path / "samples.csv").read_text().splitlines()))
    assert [row["ready"] for row in rows] == ["2", "2", "4", "6", "6", "6", "2"]
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "report.html").read_text()
    assert "Autoscaling: failed" in page
    assert 'src="timeline.png"' in page
    assert "http://&lt;here&gt;" in page
    first, *rows = (tmp_path / "verdict.txt").read_text().splitlines()
    assert first == "Autoscaling: failed (p95 while scaled)"
    assert "\n".join(rows) == report.table(checks)
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("8", "1")
    assert suite.find("testcase/failure") is not None


def test_the_picture_says_the_verdict_and_draws_failures_and_cpu_against_its_target(tmp_path):
    """Its panels hold what the samples do, under the verdict."""
    samples = [replace(taken, failures=5 * number) for number, taken in enumerate(course())]
    timeline.write(samples, tmp_path / "one.png", "Load: passed")
    figure = timeline.draw(samples, report.headline("Autoscaling", judge(samples, Limits(), REQUEST_M)))
    drawn = {line.get_label(): np.asarray(line.get_ydata()).tolist() for panel in figure.axes for line in panel.lines}
    assert figure.get_suptitle() == "Autoscaling: failed (failures)"
    assert drawn["CPU as the HPA reads it"] == [3, 40, 60, 30, 30, 3, 3]
    assert set(drawn["its target"]) == {5}
    assert drawn["failures a second (30 in all)"][:2] == [0, 0.5]  # 5 more in 10 s
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_is_judged_by_its_thresholds():
    samples = [sample(second, "soak", 2, 2) for second in (1, 2, 10)]
    thresholds = criteria.Thresholds(p95_ms=200, rate=10)
    assert all(check.passed for check in criteria.judge(samples, thresholds))
    assert [check.passed for check in criteria.judge(samples, criteria.Thresholds(p95_ms=199, rate=11))] == [1, 1, 0, 0]


def test_a_run_without_a_request_fails():
    idle = replace(sample(1, "soak", 2, 2), requests=0)
    assert [check.passed for check in criteria.judge([idle], criteria.Thresholds())] == [False, False]
