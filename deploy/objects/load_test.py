"""The Job of the load test in the cluster."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from deploy.objects.common import LOAD, job, locked_down, resources, scratch, unprivileged
from deploy.objects.serving import SERVICE
from deploy.settings import Settings

_DEADLINE_S = 3600


def objects(settings: Settings) -> list[Any]:
    """Return the Job that runs Locust. It fails when an answer is wrong or missing.

    Locust is in the training image. The address comes from the Service's variables that the kubelet sets, without DNS.
    """
    volumes, mounts = scratch("256Mi", tmp="/tmp")  # noqa: S108  # a mount point
    prefix = SERVICE.upper().replace("-", "_")
    url = f"http://$({prefix}_SERVICE_HOST):$({prefix}_SERVICE_PORT)"
    manifest = job(
        "load-test-job",
        settings.serving_namespace,
        LOAD,
        settings,
        deadline_s=_DEADLINE_S,
        enable_service_links=True,
        security_context=unprivileged(),
        containers=[
            client.V1Container(
                name="locust",
                image=settings.training_reference,
                image_pull_policy="Always",
                command=["locust", "-f", "loadtest/locustfile.py", "--headless", "--host", url],
                args=list(settings.load_arguments),
                env=[client.V1EnvVar(name="QNA_LOAD_SHAPE", value=settings.load_shape)],
                resources=resources("250m", "256Mi", "1Gi"),
                security_context=locked_down(),
                termination_message_policy="FallbackToLogsOnError",
                volume_mounts=mounts,
            )
        ],
        volumes=volumes,
    )
    return [manifest]
