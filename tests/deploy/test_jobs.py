import pytest

from deploy import jobs, render
from deploy.errors import JobFailed, Refused
from tests.deploy import job_controller
from tests.deploy.api import DROP
from tests.deploy.conftest import SETTINGS
from tests.deploy.job_controller import finished

NAMESPACE = "training-model-env"
JOB, POD = "train-model-job", "train-model-job-x1"


def nothing(_job):
    pass


def pod(api, message="", **state):
    job_controller.pod(api, JOB, "train", NAMESPACE, message, **state)


def event(api, reason, message):
    about = {"kind": "Job", "name": JOB}
    api.put("Event", "e", NAMESPACE, involvedObject=about, type="Warning", reason=reason, message=message)


def run(cluster, reported, **more):
    return jobs.run(cluster, render.run(SETTINGS, "train"), reported.append, poll_s=0.001, grace_s=0.01, **more)


def test_a_job_that_completes_hands_its_message_over(api, cluster, reported):
    pod(api, "extractive-qa:abc\n")
    api.logs[POD, "train"] = [b"2026-01-01T00:00:01Z epoch 1\n2026-01-01T00:00:02Z epoch 2\n"]
    api.script("Job", JOB, nothing, finished("Complete"))
    assert run(cluster, reported) == "extractive-qa:abc"
    assert [line for line in reported if "|" in line] == ["train | epoch 1", "train | epoch 2"]


def test_a_log_whose_connection_drops_is_taken_up_where_it_ended(api, cluster, reported):
    pod(api, running={})
    first = b"2026-01-01T00:00:01Z one\n2026-01-01T00:00:02Z two\n"
    api.logs[POD, "train"] = [first, first + b"2026-01-01T00:00:03Z three\n"]

    def end(job):
        pod(api, "done")
        finished("Complete")(job)

    api.script("Job", JOB, nothing, nothing, end)
    run(cluster, reported)
    assert [line for line in reported if "|" in line] == ["train | one", "train | two", "train | three"]


def test_a_drop_while_it_is_watched_is_no_failure(api, cluster, reported):
    pod(api, "done")
    api.fail("GET", f"/jobs/{JOB}", DROP, times=2)
    api.fail("GET", "/log", DROP, times=1)
    api.script("Job", JOB, nothing, finished("Complete"))
    assert run(cluster, reported) == "done"


def test_a_failed_job_shows_conditions_events_and_the_end_of_its_log(api, cluster, reported):
    pod(api, terminated={"exitCode": 7})
    api.logs[POD, "train"] = [b"2026-01-01T00:00:01Z error: the model is not good enough\n"]
    event(api, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    api.script("Job", JOB, nothing, finished("Failed", "BackoffLimitExceeded"))
    with pytest.raises(JobFailed) as caught:
        run(cluster, reported)
    message = str(caught.value)
    assert message.startswith(f"Job {NAMESPACE}/{JOB} failed")
    assert "Failed=True BackoffLimitExceeded: because" in message
    assert "Warning Job/train-model-job BackoffLimitExceeded" in message
    assert "error: the model is not good enough" in message


def test_a_job_that_is_late_is_told_apart(api, cluster, reported):
    api.script("Job", JOB, nothing, finished("Failed", "DeadlineExceeded"))
    with pytest.raises(JobFailed, match="took longer than it may"):
        run(cluster, reported)


def test_a_job_that_nobody_runs_ends_at_its_deadline(api, cluster, reported):
    with pytest.raises(JobFailed, match=r"neither ended nor failed.*controller"):
        run(cluster, reported, margin_s=-1800)


def test_a_job_that_is_deleted_meanwhile_is_reported(api, cluster, reported):
    api.script("Job", JOB, nothing, None)
    with pytest.raises(JobFailed, match="was deleted while it ran; run this again"):
        run(cluster, reported)


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "CreateContainerConfigError", "CrashLoopBackOff"])
def test_a_pod_without_hope_ends_the_wait(api, cluster, reported, reason):
    pod(api, waiting={"reason": reason, "message": "no such thing"})
    with pytest.raises(JobFailed, match=f"can't run: {reason}: no such thing; "):
        run(cluster, reported)


def test_an_image_that_comes_after_all_is_waited_for(api, cluster, reported):
    pod(api, waiting={"reason": "ErrImagePull"})

    def better(job):
        pod(api, "done")
        finished("Complete")(job)

    api.script("Job", JOB, nothing, better)
    assert jobs.run(cluster, render.run(SETTINGS, "train"), reported.append, poll_s=0.001, grace_s=60) == "done"


def test_a_quota_that_lets_no_pod_in_is_reported(api, cluster, reported):
    event(api, "FailedCreate", "pods is forbidden: exceeded quota: small")
    with pytest.raises(JobFailed, match=r"can't run: .*FailedCreate: pods is forbidden: exceeded quota"):
        run(cluster, reported)


def test_a_pod_that_fits_nowhere_is_reported_while_it_waits(api, cluster, reported):
    pod(api, "done")
    status = api.the("Pod", POD)["status"]
    status["phase"] = "Pending"
    status["conditions"] = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient memory"}
    ]
    api.script("Job", JOB, nothing, finished("Complete"))
    run(cluster, reported)
    assert f"{JOB}: {POD} Pending (Unschedulable: Insufficient memory)" in reported


def test_the_finished_job_of_a_run_before_is_replaced(api, cluster, reported):
    old = api.put("Job", JOB, NAMESPACE, metadata={"uid": "old"})
    finished("Failed")(old)
    pod(api, "done")

    def end(job):
        assert "uid" not in job["metadata"]
        finished("Complete")(job)

    # Read to see that it has finished, and as what is deleted; then it is the new one.
    api.script("Job", JOB, nothing, nothing, end)
    assert run(cluster, reported) == "done"


def test_a_job_that_still_runs_is_left_alone(api, cluster, reported):
    api.put("Job", JOB, NAMESPACE, metadata={"uid": "old"})
    with pytest.raises(JobFailed, match="is still running; wait for it, or end it with `kubectl"):
        run(cluster, reported)
    assert api.the("Job", JOB)["metadata"]["uid"] == "old"


def test_a_refused_job_is_reported(api, cluster, reported):
    api.fail("PATCH", f"/jobs/{JOB}", 422, "spec.template: field is immutable")
    with pytest.raises(Refused, match=f"Job {NAMESPACE}/{JOB} could not be applied: .*immutable"):
        run(cluster, reported)


def test_the_tag_of_a_run_before_is_read_again(api, cluster):
    assert jobs.termination_message(cluster, JOB, NAMESPACE) is None
    finished("Complete")(api.put("Job", JOB, NAMESPACE))
    pod(api, "extractive-qa:abc")
    assert jobs.termination_message(cluster, JOB, NAMESPACE) == "extractive-qa:abc"


def test_a_job_that_is_killed_for_memory_says_which_setting_to_raise(api, cluster, reported):
    """As a kubelet has it: the pod's phase is Failed, and the reason is the container's."""
    pod(api, terminated={"exitCode": 137, "reason": "OOMKilled"})
    api.the("Pod", POD)["spec"]["containers"][0]["resources"] = {"limits": {"memory": "3Gi"}}
    api.script("Job", JOB, nothing, finished("Failed", "BackoffLimitExceeded"))
    with pytest.raises(JobFailed) as caught:
        run(cluster, reported)
    line = "container train was OOMKilled (exit code 137) at its memory limit of 3Gi; raise train_memory"
    assert f"{POD}: {line}" in str(caught.value)
