"""Names and parts of objects that several modules share."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from deploy.settings import Settings

APPLICATION = "extractive-qa"
SERVING, TRAINING, BUILD, VERIFY, LOAD = "serving", "training", "build", "verification", "load"
"""The values of the component label of pods."""
USER = 1034
"""The user ID of BentoML's images; a number, since the kubelet can't check a name."""


def account(component: str) -> str:
    """Return the name of a component's ServiceAccount."""
    return f"qna-{component}"


def labels(component: str) -> dict[str, str]:
    """Return the labels that select the pods of this component."""
    return {"app.kubernetes.io/name": APPLICATION, "app.kubernetes.io/component": component}


def metadata(name: str, namespace: str | None = None, component: str | None = None, **more: str) -> client.V1ObjectMeta:
    """Return an object's name, namespace and labels; `more` are further labels."""
    own = {"app.kubernetes.io/name": APPLICATION} if component is None else labels(component)
    managed = {"app.kubernetes.io/managed-by": "deploy"}
    return client.V1ObjectMeta(name=name, namespace=namespace, labels={**own, **managed, **more})


def selector(component: str) -> client.V1LabelSelector:
    """Select a component's pods."""
    return client.V1LabelSelector(match_labels=labels(component))


def pull_secrets(settings: Settings) -> list[client.V1LocalObjectReference] | None:
    """Return the Secret for pulling images; None if the registry needs none."""
    return None if settings.registry_secret is None else [client.V1LocalObjectReference(name=settings.registry_secret)]


def unprivileged(user: int = USER) -> client.V1PodSecurityContext:
    """Return the security context that the Pod Security level "restricted" requires."""
    return client.V1PodSecurityContext(
        run_as_non_root=True,
        run_as_user=user,
        run_as_group=user,
        fs_group=user,
        seccomp_profile=client.V1SeccompProfile(type="RuntimeDefault"),
    )


def locked_down() -> client.V1SecurityContext:
    """Return the security context of a container without capabilities and with a read-only root filesystem."""
    return client.V1SecurityContext(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=client.V1Capabilities(drop=["ALL"]),
    )


def scratch(size: str, **paths: str) -> tuple[list[client.V1Volume], list[client.V1VolumeMount]]:
    """Return empty volumes by name with their mounts, for a container with a read-only root filesystem."""
    volumes = [client.V1Volume(name=name, empty_dir=client.V1EmptyDirVolumeSource(size_limit=size)) for name in paths]
    return volumes, [client.V1VolumeMount(name=name, mount_path=path) for name, path in paths.items()]


def resources(cpu: str, memory: str, memory_limit: str, **limits: str) -> client.V1ResourceRequirements:
    """Return the resources of a Job: without a CPU limit, since it may use all free CPU."""
    return client.V1ResourceRequirements(
        requests={"cpu": cpu, "memory": memory}, limits={"memory": memory_limit, **limits}
    )


def node_selector(labels: tuple[str, ...]) -> dict[str, str] | None:
    """Return labels of the form KEY=VALUE as a nodeSelector; None if there are none."""
    return dict(label.split("=", 1) for label in labels) or None


def tolerations(written: tuple[str, ...]) -> list[client.V1Toleration] | None:
    """Return tolerations of the form KEY[=VALUE][:EFFECT]; without a value, all values are tolerated."""
    manifest = []
    for text in written:
        taint, _, effect = text.partition(":")
        key, equals, value = taint.partition("=")
        how = {"operator": "Equal", "value": value} if equals else {"operator": "Exists"}
        manifest.append(client.V1Toleration(key=key, effect=effect or None, **how))
    return manifest or None


def job(
    name: str,
    namespace: str,
    component: str,
    settings: Settings,
    *,
    deadline_s: int,
    nodes: int = 1,
    **pod: Any,
) -> client.V1Job:
    """Return a Job with at most one retry. With several nodes it is an indexed Job with one pod for each.

    pod: further fields of the PodSpec.
    """
    indexed = {"completion_mode": "Indexed", "completions": nodes, "parallelism": nodes} if nodes > 1 else {}
    return client.V1Job(
        api_version="batch/v1",
        kind="Job",
        metadata=metadata(name, namespace, component),
        spec=client.V1JobSpec(
            active_deadline_seconds=deadline_s,
            backoff_limit=1,
            ttl_seconds_after_finished=settings.keep_jobs_s,
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=labels(component)),
                spec=client.V1PodSpec(
                    service_account_name=account(component),
                    automount_service_account_token=False,
                    restart_policy="Never",
                    image_pull_secrets=pull_secrets(settings),
                    node_selector=node_selector(settings.job_nodes),
                    tolerations=tolerations(settings.job_tolerations),
                    **{"enable_service_links": False, **pod},
                ),
            ),
            **indexed,
        ),
    )
