"""The Jobs that build images in the cluster with Kaniko, without Docker and without a privileged container."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from deploy.objects.common import BUILD, job, resources
from deploy.objects.storage import FOLDER, mounted
from deploy.objects.training import CONTEXT
from deploy.settings import Settings

TRAINING_IMAGE, SERVING_IMAGE = "kaniko-training-image-job", "kaniko-build-job"
_CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETUID", "SETGID", "SETFCAP"]
"""The capabilities for unpacking a base image and running its build steps."""
_DEADLINE_S = 3600
_CA_FOLDER = "/kaniko/own-ca"
_CA_FOLDERS = f"/kaniko/ssl/certs:{_CA_FOLDER}"
"""The CA folders of Kaniko: that of its image and that of the own CA."""


def training_image(settings: Settings) -> list[Any]:
    """Return the Job that builds the training image from the repository."""
    context = settings.git_url.replace("https://", "git://", 1)
    commit = "" if settings.git_commit is None else f"#{settings.git_commit}"
    arguments = [
        f"--context={context}#refs/heads/{settings.git_branch}{commit}",
        "--dockerfile=training/Dockerfile",
        f"--destination={settings.training_reference}",
        f"--build-arg=COMMIT={settings.git_commit or ''}",
    ]
    return [_kaniko(settings, TRAINING_IMAGE, arguments, [], [], env=_git_token(settings))]


def _git_token(settings: Settings) -> list[client.V1EnvVar] | None:
    if settings.git_secret is None:
        return None
    key = client.V1SecretKeySelector(name=settings.git_secret, key="token")
    return [client.V1EnvVar(name="GIT_TOKEN", value_from=client.V1EnvVarSource(secret_key_ref=key))]


def serving_image(settings: Settings) -> list[Any]:
    """Return the Job that builds the serving image from the context on the volume."""
    arguments = [
        f"--context=tar://{CONTEXT}",
        "--dockerfile=env/docker/Dockerfile",
        f"--destination={settings.registry}/{settings.serving_image}:{settings.tag}",
    ]
    mount = client.V1VolumeMount(name="model", mount_path=FOLDER, read_only=True)
    return [_kaniko(settings, SERVING_IMAGE, arguments, [mounted(read_only=True)], [mount])]


def _kaniko(
    settings: Settings,
    name: str,
    arguments: list[str],
    volumes: list[client.V1Volume],
    mounts: list[client.V1VolumeMount],
    env: list[client.V1EnvVar] | None = None,
) -> client.V1Job:
    """Return a Job of Kaniko, which is root in its container with few capabilities.

    The termination message of the container is the digest of the pushed image.
    """
    secrets, secret_mounts = _credentials(settings)
    authority, authority_mounts = _authority(settings)
    trusted = [client.V1EnvVar(name="SSL_CERT_DIR", value=_CA_FOLDERS)] if authority else []
    return job(
        name,
        settings.training_namespace,
        BUILD,
        settings,
        deadline_s=_DEADLINE_S,
        security_context=client.V1PodSecurityContext(seccomp_profile=client.V1SeccompProfile(type="RuntimeDefault")),
        containers=[
            client.V1Container(
                name="kaniko",
                image=settings.kaniko_image,
                args=[*arguments, *_common_arguments(settings)],
                env=[*(env or []), *trusted] or None,
                resources=resources(settings.build_cpu, settings.build_memory, settings.build_memory),
                security_context=client.V1SecurityContext(
                    run_as_user=0,
                    allow_privilege_escalation=False,
                    capabilities=client.V1Capabilities(drop=["ALL"], add=_CAPABILITIES),
                ),
                volume_mounts=[*secret_mounts, *authority_mounts, *mounts],
            )
        ],
        volumes=[*secrets, *authority, *volumes],
    )


def _common_arguments(settings: Settings) -> list[str]:
    """Return the arguments of every build."""
    return [
        *(f"--build-arg={argument}" for argument in settings.build_arguments),
        *(["--insecure", "--insecure-pull"] if settings.registry_insecure else []),
        "--digest-file=/dev/termination-log",
        "--compressed-caching=false",  # layers go to the disk, not into memory
        "--push-retry=3",
        "--log-format=text",
        *settings.kaniko_arguments,
    ]


def _credentials(settings: Settings) -> tuple[list[client.V1Volume], list[client.V1VolumeMount]]:
    """Return the volume and mount of the registry's credentials; empty if none are used."""
    if settings.registry_secret is None:
        return [], []
    source = client.V1SecretVolumeSource(
        secret_name=settings.registry_secret,
        items=[client.V1KeyToPath(key=".dockerconfigjson", path="config.json")],
        optional=True,  # without it, the registry's own error is reported
    )
    mount = client.V1VolumeMount(name="registry", mount_path="/kaniko/.docker", read_only=True)
    return [client.V1Volume(name="registry", secret=source)], [mount]


def _authority(settings: Settings) -> tuple[list[client.V1Volume], list[client.V1VolumeMount]]:
    """Return the volume and mount of the own CA; empty if none is set."""
    if settings.kaniko_ca is None:
        return [], []
    name, _, key = settings.kaniko_ca.partition("/")
    source = client.V1ConfigMapVolumeSource(name=name, items=[client.V1KeyToPath(key=key or "ca.crt", path="ca.crt")])
    mount = client.V1VolumeMount(name="own-ca", mount_path=_CA_FOLDER, read_only=True)
    return [client.V1Volume(name="own-ca", config_map=source)], [mount]
