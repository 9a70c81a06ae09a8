"""The Job that verifies a pushed image before it is rolled out."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from deploy.objects.common import VERIFY, job, locked_down, resources, scratch, unprivileged
from deploy.settings import Settings

VERIFICATION = "copy-model-job"
_DEADLINE_S = 600


def objects(settings: Settings) -> list[Any]:
    """Return the Job that checks the files of the model in the pushed image and answers a question."""
    volumes, mounts = scratch("64Mi", tmp="/tmp", home="/home/bentoml/bentoml")  # noqa: S108  # a mount point
    manifest = job(
        VERIFICATION,
        settings.serving_namespace,
        VERIFY,
        settings,
        deadline_s=_DEADLINE_S,
        security_context=unprivileged(),
        containers=[
            client.V1Container(
                name="verify",
                image=settings.serving_reference,
                image_pull_policy="Always",
                args=["verify", "--report", "/dev/termination-log"],
                resources=resources(settings.cpu_request, settings.memory_request, settings.memory_limit),
                security_context=locked_down(),
                termination_message_policy="FallbackToLogsOnError",
                volume_mounts=mounts,
            )
        ],
        volumes=volumes,
    )
    return [manifest]
