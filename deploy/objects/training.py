"""The Jobs of the training image on its volume: one trains and stores a model, one packages it with the service."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from deploy.objects.common import (
    TRAINING,
    USER,
    job,
    labels,
    locked_down,
    metadata,
    resources,
    scratch,
    unprivileged,
)
from deploy.objects.storage import FOLDER, mounted
from deploy.settings import Settings

TRAIN, PACKAGE = "train-model-job", "package-model-job"
CONTEXT = f"{FOLDER}/context.tar.gz"
PEERS = "train-model"
"""The name by which the pods of a training on several nodes find each other."""
PEER_PORT = 29500
_PACKAGE_DEADLINE_S = 900


def training(settings: Settings) -> list[Any]:
    """Train, unless nothing has changed since the model in production, and store the model on the volume.

    On several nodes a pod each, which torchrun brings together: the first pod is where they meet.
    """
    nodes = settings.train_nodes
    manifest = _job(
        settings,
        TRAIN,
        [
            *("train", "--if-changed", "--output-dir", f"{FOLDER}/runs/job", "--overwrite"),
            *("--keep", str(settings.keep_models), *settings.train_arguments),
        ],
        deadline_s=settings.train_deadline_s,
        resources=_resources(settings),
        command=_command(settings),
        nodes=nodes,
        subdomain=PEERS if nodes > 1 else None,
    )
    return [manifest] if nodes == 1 else [_peers(settings), manifest]


def packaging(settings: Settings) -> list[Any]:
    """Make a Bento of the service and the model to be served, and leave the context of its image on the volume."""
    small = resources("250m", "1Gi", "1Gi")
    words = ["package", "--context", CONTEXT]
    return [_job(settings, PACKAGE, words, deadline_s=_PACKAGE_DEADLINE_S, resources=small)]


def _job(
    settings: Settings,
    name: str,
    words: list[str],
    *,
    deadline_s: int,
    resources: client.V1ResourceRequirements,
    command: list[str] | None = None,
    **more: Any,
) -> client.V1Job:
    """Run `python -m training` on the volume; the tag that it prints is the container's termination message."""
    volumes, mounts = scratch("2Gi", tmp="/tmp")  # noqa: S108  # a mount point
    model = client.V1VolumeMount(name="model", mount_path=FOLDER)
    return job(
        name,
        settings.training_namespace,
        TRAINING,
        settings,
        deadline_s=deadline_s,
        security_context=unprivileged(),
        init_containers=[_own_the_folder(settings, model)] if settings.storage_class is None else None,
        containers=[
            client.V1Container(
                name=words[0],
                image=settings.training_reference,
                image_pull_policy="Always",
                command=command,
                args=[words[0], "--tag-file", "/dev/termination-log", *words[1:]],
                env=[
                    client.V1EnvVar(name="BENTOML_HOME", value=f"{FOLDER}/bentoml"),
                    client.V1EnvVar(name="TQDM_MININTERVAL", value="30"),  # a log is no terminal
                    client.V1EnvVar(name="HF_HOME", value=f"{FOLDER}/huggingface"),
                ],
                resources=resources,
                security_context=locked_down(),
                termination_message_policy="FallbackToLogsOnError",
                volume_mounts=[model, *mounts],
            )
        ],
        volumes=[mounted(), *volumes],
        **more,
    )


def _command(settings: Settings) -> list[str] | None:
    """Return torchrun for several processes; one process runs the image's own command."""
    nodes, gpus = settings.train_nodes, settings.train_gpus
    if nodes == 1 and gpus <= 1:
        return None
    meeting = f"{TRAIN}-0.{PEERS}:{PEER_PORT}" if nodes > 1 else f"localhost:{PEER_PORT}"
    return [
        "torchrun",
        f"--nnodes={nodes}",
        f"--nproc-per-node={max(gpus, 1)}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={meeting}",
        f"--rdzv-id={TRAIN}",
        "-m",
        "training",
    ]


def _resources(settings: Settings) -> client.V1ResourceRequirements:
    gpus = {"nvidia.com/gpu": str(settings.train_gpus)} if settings.train_gpus else {}
    return resources(settings.train_cpu, settings.train_memory, settings.train_memory, **gpus)


def _own_the_folder(settings: Settings, model: client.V1VolumeMount) -> client.V1Container:
    """Hand a node's new folder, which is root's, to the user that trains; `fsGroup` does not reach a hostPath."""
    return client.V1Container(
        name="own",
        image=settings.training_reference,
        image_pull_policy="Always",
        command=["chown", f"{USER}:{USER}", FOLDER],
        resources=resources("10m", "32Mi", "64Mi"),
        security_context=client.V1SecurityContext(
            run_as_non_root=False,
            run_as_user=0,
            allow_privilege_escalation=False,
            read_only_root_filesystem=True,
            capabilities=client.V1Capabilities(drop=["ALL"], add=["CHOWN"]),
        ),
        volume_mounts=[model],
    )


def _peers(settings: Settings) -> client.V1Service:
    """Name the pods of a training on several nodes, before they are ready."""
    return client.V1Service(
        api_version="v1",
        kind="Service",
        metadata=metadata(PEERS, settings.training_namespace, TRAINING),
        spec=client.V1ServiceSpec(
            cluster_ip="None",
            publish_not_ready_addresses=True,
            selector=labels(TRAINING),
            ports=[client.V1ServicePort(name="torchrun", port=PEER_PORT)],
        ),
    )
