"""The Deployment of the service and its Service, a NodePort."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from deploy.objects.common import (
    SERVING,
    account,
    labels,
    locked_down,
    metadata,
    node_selector,
    pull_secrets,
    scratch,
    selector,
    tolerations,
    unprivileged,
)
from deploy.settings import Settings

DEPLOYMENT, SERVICE = "model-inference", "model-service"
PORT_NAME = "http"
_MARGIN_S = 5
"""Added to draining and the request timeout for the grace period of a pod, in seconds."""


def objects(settings: Settings) -> list[Any]:
    """Return the Deployment, without `replicas`, which are the HPA's, and its Service."""
    return [_deployment(settings), _service(settings)]


def _deployment(settings: Settings) -> client.V1Deployment:
    volumes, mounts = scratch("64Mi", tmp="/tmp", home="/home/bentoml/bentoml")  # noqa: S108  # a mount point
    pod = client.V1PodSpec(
        service_account_name=account(SERVING),
        automount_service_account_token=False,
        enable_service_links=False,
        security_context=unprivileged(),
        image_pull_secrets=pull_secrets(settings),
        node_selector=node_selector(settings.serving_nodes),
        tolerations=tolerations(settings.serving_tolerations),
        termination_grace_period_seconds=settings.drain_s + settings.timeout_s + _MARGIN_S,
        topology_spread_constraints=[
            client.V1TopologySpreadConstraint(
                max_skew=1,
                topology_key="kubernetes.io/hostname",
                when_unsatisfiable="ScheduleAnyway",
                label_selector=selector(SERVING),
            )
        ],
        containers=[_container(settings, mounts)],
        volumes=volumes,
    )
    return client.V1Deployment(
        api_version="apps/v1",
        kind="Deployment",
        metadata=metadata(DEPLOYMENT, settings.serving_namespace, SERVING),
        spec=client.V1DeploymentSpec(
            selector=selector(SERVING),
            revision_history_limit=5,
            progress_deadline_seconds=300,
            strategy=client.V1DeploymentStrategy(
                type="RollingUpdate",
                rolling_update=client.V1RollingUpdateDeployment(max_unavailable=0, max_surge=1),
            ),
            template=client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(labels=labels(SERVING)), spec=pod),
        ),
    )


def _container(settings: Settings, mounts: list[client.V1VolumeMount]) -> client.V1Container:
    environment = {
        "BENTOML_PORT": settings.port,
        "BENTOML_HOME": "/home/bentoml/bentoml",
        "BENTOML_DO_NOT_TRACK": True,
        "QNA_MAX_CONCURRENCY": settings.max_concurrency,
        "QNA_TIMEOUT_S": settings.timeout_s,
    }
    return client.V1Container(
        name="service",
        image=settings.serving_reference,
        image_pull_policy="Always" if settings.digest is None else "IfNotPresent",
        env=[client.V1EnvVar(name=name, value=str(value)) for name, value in environment.items()],
        ports=[client.V1ContainerPort(name=PORT_NAME, container_port=settings.port)],
        resources=client.V1ResourceRequirements(
            requests={"cpu": settings.cpu_request, "memory": settings.memory_request},
            limits={"cpu": settings.cpu_limit, "memory": settings.memory_limit},
        ),
        # Ready only after a real answer; under half a CPU the libraries alone take several seconds to load. The other
        # probes begin only then, so that a slow start (120 s) is not taken for a hang.
        startup_probe=_probe("/readyz", period_seconds=2, failure_threshold=60, timeout_seconds=5),
        # A process that hangs is out of the Service after 3 + 3 + 2 = 8 s at most: it misses the probe that comes up
        # to 3 s later and the one after that, each for 2 s.
        readiness_probe=_probe("/readyz", period_seconds=3, failure_threshold=2, timeout_seconds=2),
        # It is ended after 3 x 6 + 5 = 23 s at most, and is gone 7 s later: the preStop sleep and the signal have 5 s,
        # not the pod's whole grace period, and the kubelet adds 2 s. A busy pod answers within 0.4 s at 500m.
        # Both probes take about 0.5m of CPU, at 1 ms each.
        liveness_probe=_probe(
            "/livez", period_seconds=6, failure_threshold=3, timeout_seconds=5, termination_grace_period_seconds=5
        ),
        # Endpoints and proxies learn late that a pod stops; until then it goes on answering.
        lifecycle=client.V1Lifecycle(
            pre_stop=client.V1LifecycleHandler(sleep=client.V1SleepAction(seconds=settings.drain_s))
        ),
        security_context=locked_down(),
        volume_mounts=mounts,
    )


def _probe(path: str, **how: int) -> client.V1Probe:
    """Return an HTTP probe, since the socket listens long before a worker answers."""
    return client.V1Probe(http_get=client.V1HTTPGetAction(path=path, port=PORT_NAME), **how)


def _service(settings: Settings) -> client.V1Service:
    return client.V1Service(
        api_version="v1",
        kind="Service",
        metadata=metadata(SERVICE, settings.serving_namespace, SERVING),
        spec=client.V1ServiceSpec(
            type="NodePort",
            selector=labels(SERVING),
            ports=[
                client.V1ServicePort(
                    name=PORT_NAME, port=settings.port, target_port=PORT_NAME, node_port=settings.node_port
                )
            ],
        ),
    )
