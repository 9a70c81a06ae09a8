"""Timelines played on a server that speaks the Kubernetes API, watched and judged; and the whole once, with Locust."""

import pytest

from deploy.errors import Refused
from deploy.objects.common import SERVING, labels
from loadtest.cluster import autoscale
from loadtest.cluster.verdict import BASELINE, COOL, HOLD, RAMP, SCALED, SETTLE, Limits, judge, shares
from loadtest.cluster.watch import Watch
from loadtest.samples import Sample
from loadtest.swarm import Figures
from tests.deploy import api as apis

NAMESPACE, PORT = "serving-model-env", 5000
STAGES = (BASELINE, RAMP, HOLD, SCALED, SCALED, COOL)


@pytest.fixture
def watching(cluster):
    return Watch(cluster, NAMESPACE, PORT)


def scaler(api, desired, percent=30):
    current = (
        [] if percent is None else [{"type": "Resource", "resource": {"current": {"averageUtilization": percent}}}]
    )
    target = {"averageUtilization": 5}
    api.put(
        "HorizontalPodAutoscaler",
        "qna-hpa",
        NAMESPACE,
        spec={"minReplicas": 2, "maxReplicas": 4, "metrics": [{"resource": {"target": target}}]},
        status={"currentReplicas": desired, "desiredReplicas": desired, "currentMetrics": current},
    )


def pods(api, count, ready=None, millicores=3):
    """Have so many pods, the first of them ready."""
    for kind, _, name in list(api.objects):
        if kind in ("Pod", "PodMetrics"):
            del api.objects[kind, NAMESPACE, name]
    for number in range(count):
        state = "True" if ready is None or number < ready else "False"
        conditions = [{"type": "Ready", "status": state}]
        api.put(
            "Pod", f"pod-{number}", NAMESPACE, metadata={"labels": labels(SERVING)}, status={"conditions": conditions}
        )
        usage = [{"usage": {"cpu": f"{millicores}m"}}]
        api.put("PodMetrics", f"pod-{number}", NAMESPACE, containers=usage)


def answered(api, *counts):
    """Let each pod have answered so many requests."""
    for number, count in enumerate(counts):
        line = 'bentoml_service_request_total{endpoint="/answer",http_response_code="200",service_name="x"}'
        other = 'bentoml_service_request_total{endpoint="/readyz",http_response_code="200",service_name="x"} 99.0'
        api.texts[f"pod-{number}:{PORT}"] = f"# HELP\n{line} {float(count)}\n{other}\n"


def play(api, watching, *scenes):
    """Take a sample in each scene, and judge."""
    samples = []
    for second, (stage, scene) in enumerate(zip(STAGES, scenes, strict=True)):
        scene()
        figures = Figures(6, 100 * second, 0, 10.0, 50.0, 200.0, {})
        samples.append(Sample.of(second, stage, figures, watching.state(answered=stage == SCALED)))
    return samples, {check.name: check for check in judge(samples, Limits(), 250)}


def scene(api, desired, ready, **more):
    def change():
        scaler(api, desired, more.get("percent", 30))
        pods(api, more.get("there", ready), ready, more.get("millicores", 3))
        answered(api, *more.get("counts", [0] * ready))

    return change


def course(api):
    """2 pods, 4 under load that share it, and 2 again."""
    return [
        scene(api, 2, 2, percent=3),
        scene(api, 4, 2),
        scene(api, 4, 4),
        scene(api, 4, 4, counts=[10, 10, 0, 0]),
        scene(api, 4, 4, counts=[60, 55, 45, 50]),
        scene(api, 2, 2, percent=1),
    ]


def test_what_scales_well_passes(api, watching):
    samples, checks = play(api, watching, *course(api))
    assert all(check.passed for check in checks.values()), checks
    assert shares(samples) == {"pod-0": 50, "pod-1": 45, "pod-2": 45, "pod-3": 50}


def test_what_never_scales_is_told_why(api, watching):
    _, checks = play(api, watching, *[scene(api, 2, 2, percent=4, counts=[9, 9])] * 6)
    assert "CPU rose to 4 % of the request at most" in checks["scaled up"].why
    assert checks["reached the expected replicas in time"].observed == "2 ready"


def test_what_is_stuck_above_the_minimum_is_told_why(api, watching):
    scenes = [*course(api)[:-1], scene(api, 3, 3, millicores=11)]
    _, checks = play(api, watching, *scenes)
    assert checks["back to the minimum"].why.startswith("an idle pod uses 11.0m; 2 replicas are reached below 8.3m")


def test_missing_metrics_are_unknown(api, watching):
    scenes = course(api)
    scenes[1] = scene(api, 2, 2, percent=None)
    _, checks = play(api, watching, *scenes)
    assert checks["the HPA could read its metric"].observed == "1 samples unknown"


def test_pods_that_crash_are_not_ready(api, watching):
    scenes = course(api)
    scenes[2:5] = [scene(api, 4, 2, there=4)] * 3
    _, checks = play(api, watching, *scenes)
    assert checks["reached the expected replicas in time"].observed == "2 ready"


def test_an_api_that_is_gone_for_a_while_leaves_a_gap(api, watching):
    scenes = course(api)
    api.fail("GET", "/apis/", apis.DROP, times=0)

    def gone():
        api.failures[0].times = 50

    def back():
        api.failures[0].times = 0
        course(api)[2]()

    scenes[1:3] = [gone, back]
    samples, checks = play(api, watching, *scenes)
    assert [sample.autoscaler is None for sample in samples] == [False, True, False, False, False, False]
    assert all(check.passed for check in checks.values()), checks


def test_one_pod_with_all_the_load_is_found(api, watching):
    scenes = course(api)
    scenes[4] = scene(api, 4, 4, counts=[210, 10, 0, 0])
    _, checks = play(api, watching, *scenes)
    assert checks["each pod got its share"].observed == "0% of an equal one, of 4 pods"


def test_the_service_is_found_at_its_port_on_a_node(api, watching):
    with pytest.raises(Refused, match="has no port on a node; name its address with --url"):
        watching.url()
    addresses = [{"type": "Hostname", "address": "one"}, {"type": "InternalIP", "address": "192.0.2.7"}]
    api.put("Node", "one", status={"addresses": addresses})
    api.put("Service", "model-service", NAMESPACE, spec={"ports": [{"port": 5000, "nodePort": 30008}]})
    assert watching.url() == "http://192.0.2.7:30008"


def test_a_cluster_without_the_autoscaler_is_said(api, watching):
    with pytest.raises(Refused, match="there is no HPA serving-model-env/qna-hpa; run `python -m deploy apply` first"):
        watching.autoscaler()


@pytest.mark.parametrize(("status", "message"), [(404, "could not find the requested resource"), (503, "unavailable")])
def test_a_cluster_without_the_metrics_api_is_said_before_any_load(api, watching, tmp_path, status, message):
    """Without metrics-server a real API server answers 404, and 503 where it is registered and does not run."""
    course(api)[0]()
    api.fail("GET", "metrics.k8s.io", status, message)
    with pytest.raises(Refused, match=f"the metrics API does not answer.*{message}.*install metrics-server"):
        autoscale.autoscale("http://127.0.0.1:9", watching, autoscale.AutoscalePlan(), tmp_path, print)
    assert not list(tmp_path.glob("locust*"))


def test_the_whole_with_locust_and_the_service(api, watching, server, tmp_path):
    """A cluster of objects alone that follows the users there are."""
    course(api)[0]()
    seen = []

    def show(sample):
        seen.append(sample)
        if sample.stage == RAMP:
            course(api)[2]()
        elif sample.stage == SCALED:
            course(api)[4 if len([s for s in seen if s.stage == SCALED]) > 1 else 3]()
        elif sample.stage == COOL:
            course(api)[5]()

    plan = autoscale.AutoscalePlan(users=3, baseline_s=1, ramp_s=2, hold_s=5, scaled_s=6, cool_s=10)
    recording = autoscale.autoscale(server.url, watching, plan, tmp_path, show)
    assert [*dict.fromkeys(sample.stage for sample in recording.samples)] in (
        [SETTLE, BASELINE, RAMP, SCALED, COOL],
        [SETTLE, BASELINE, RAMP, HOLD, SCALED, COOL],
    )
    checks = judge(recording.samples, Limits(p95_ms=20_000), 250)
    assert all(check.passed for check in checks), checks
    assert recording.samples[-1].requests > 0
