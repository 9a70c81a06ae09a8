"""Names and habits that several concerns share."""

from __future__ import annotations

from kubernetes import client

APPLICATION = "extractive-qa"
SERVING, TRAINING, BUILD, VERIFY = "serving", "training", "build", "verification"
"""Components, as their pods' labels say."""
USER = 1034
"""The user that BentoML's images run as; by number, since the kubelet can't check a name."""


def labels(component: str) -> dict[str, str]:
    """Return what tells this component's pods from all others."""
    return {"app.kubernetes.io/name": APPLICATION, "app.kubernetes.io/component": component}


def metadata(name: str, namespace: str | None = None, component: str | None = None, **more: str) -> client.V1ObjectMeta:
    """Return an object's name, place and labels; `more` are labels as well."""
    own = {"app.kubernetes.io/name": APPLICATION} if component is None else labels(component)
    managed = {"app.kubernetes.io/managed-by": "deploy"}
    return client.V1ObjectMeta(name=name, namespace=namespace, labels={**own, **managed, **more})


def selector(component: str) -> client.V1LabelSelector:
    """Select a component's pods."""
    return client.V1LabelSelector(match_labels=labels(component))


def pull_secrets(name: str) -> list[client.V1LocalObjectReference]:
    """Name the Secret that images are pulled with."""
    return [client.V1LocalObjectReference(name=name)]


def unprivileged(user: int = USER) -> client.V1PodSecurityContext:
    """Run a pod as Pod Security's "restricted" demands."""
    return client.V1PodSecurityContext(
        run_as_non_root=True,
        run_as_user=user,
        run_as_group=user,
        fs_group=user,
        seccomp_profile=client.V1SeccompProfile(type="RuntimeDefault"),
    )


def locked_down() -> client.V1SecurityContext:
    """Give a container no capability, no way to more privileges, and nothing to write on but its volumes."""
    return client.V1SecurityContext(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=client.V1Capabilities(drop=["ALL"]),
    )


def scratch(**paths: str) -> tuple[list[client.V1Volume], list[client.V1VolumeMount]]:
    """Return empty volumes by name, and where they are mounted: a read-only root leaves nothing else to write on."""
    volumes = [client.V1Volume(name=name, empty_dir=client.V1EmptyDirVolumeSource(size_limit="64Mi")) for name in paths]
    return volumes, [client.V1VolumeMount(name=name, mount_path=path) for name, path in paths.items()]
