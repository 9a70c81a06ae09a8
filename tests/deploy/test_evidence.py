"""What is told of pods as a kubelet describes them."""

import pytest

from deploy import evidence
from deploy.cluster import Cluster
from tests.deploy.state import Api

KILLED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 20s restarting failed container"}}
ACCESS = (
    '{"time": "2026-01-01T00:00:00.000+00:00", "request_id": "a1", "route": "/answer", "status": 500, "ms": 7.1, '
    '"waited_ms": null, "read_ms": null, "windows": null, "model": "extractive-qa:1"}'
)
OLDER = (
    "2026-01-01T00:00:00+0000 [INFO] [entry_service:extractive-qa:1] 127.0.0.1:5581 (scheme=http,method=GET,"
    "path=/livez,length=) (status=200,type=text/plain,length=0) 0.4ms"
)
"""Of the service before it had lines of its own."""


def pod(state, last=None, restarts=0, name="pod"):
    container = {"name": "service", "image": "an-image", "state": state, "restartCount": restarts}
    if last is not None:
        container["lastState"] = last
    limits = {"resources": {"limits": {"memory": "1Gi"}}}
    return {
        "metadata": {"name": name, "namespace": "place", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{"name": "service", **limits}]},
        "status": {"phase": "Running", "containerStatuses": [container]},
    }


def test_a_pod_that_is_killed_for_memory_says_so_with_limit_and_remedy():
    message = evidence.persistent_problem(pod(BACK_OFF, KILLED, 3))
    assert message == (
        "CrashLoopBackOff: back-off 20s restarting failed container; container service was OOMKilled (exit code 137) "
        "at its memory limit of 1Gi; raise memory_limit, or lower max_concurrency"
    )


def test_a_pod_that_ends_by_itself_says_how():
    ended = {"terminated": {"exitCode": 1, "reason": "Error"}}
    assert "ended with exit code 1 (Error); its log says why" in (
        evidence.persistent_problem(pod(BACK_OFF, ended, 2)) or ""
    )
    hung = {"terminated": {"exitCode": 137, "reason": "Error"}}
    assert "exit code 137 by signal 9 (Error)" in (evidence.persistent_problem(pod(BACK_OFF, hung, 2)) or "")


def test_a_container_that_never_ran_has_no_log_that_says_why():
    refused = 'exec: "locust": executable file not found in $PATH'
    ended = {"terminated": {"exitCode": 128, "reason": "StartError", "message": f"{refused}\n"}}
    failed = pod(ended)
    assert evidence.end(failed, failed["status"]["containerStatuses"][0]) == (
        f"container service could not be started (StartError): {refused}"
    )


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("dial tcp 10.0.0.1:443: connect: connection refused", "the registry does not answer the node"),
        ("dial tcp: lookup registry.example on 10.96.0.10:53: no such host", "the registry does not answer the node"),
        ("manifest unknown", "the image can't be pulled; check its name and digest"),
        ("pull access denied, insufficient_scope: authorization failed", "the image can't be pulled"),
    ],
)
def test_a_registry_that_does_not_answer_is_told_from_an_image_that_is_not_there(message, remedy):
    pulling = {"waiting": {"reason": "ErrImagePull", "message": f"failed to pull and unpack image: {message}"}}
    assert f"{message}; {remedy}" in (evidence.persistent_problem(pod(pulling)) or "")


def test_a_pod_that_is_about_to_end_says_so():
    ending = pod({"running": {}})
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:01:00Z"
    assert evidence.progress(ending) == "Terminating"


def test_restarts_are_told_with_their_reason():
    assert evidence.progress(pod({"running": {}}, KILLED, 3)) == (
        "Running (restarted 3 times, last: OOMKilled, exit code 137)"
    )
    assert evidence.progress(pod({"running": {}})) == "Running"


def test_errors_come_first_with_what_is_below_them_and_the_access_log_is_left_out():
    log = [
        "loading the model",
        ACCESS,
        "Traceback (most recent call last):",
        '  File "service.py", line 3, in answer',
        "    raise ValueError",
        "ValueError: no such token",
        *[ACCESS] * 300,
        "shutting down",
    ]
    assert evidence.relevant_lines(log) == [
        "Traceback (most recent call last):",
        '  File "service.py", line 3, in answer',
        "    raise ValueError",
        "ValueError: no such token",
        "loading the model",
        "shutting down",
    ]
    assert len(evidence.relevant_lines([f"line {number}" for number in range(100)])) == 15
    assert evidence.relevant_lines([ACCESS, OLDER]) == []


def test_the_log_is_that_of_the_container_that_was_killed(api: Api, cluster: Cluster):
    """A container that was started again has a new log; the one before explains the restart."""
    api.logs["pod", "service"] = [b"2026-01-01T00:00:09Z fresh start\n"]
    api.previous["pod", "service"] = b"2026-01-01T00:00:01Z error: out of memory\n"
    owner = {"metadata": {"name": "owner", "namespace": "place"}}
    message = evidence.collect(cluster, owner, [pod({"running": {}}, KILLED, 1), pod({"running": {}}, name="well")])
    assert "error: out of memory" in message
    assert "fresh start" not in message
    assert "pod: container service was OOMKilled (exit code 137)" in message
