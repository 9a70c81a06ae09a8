"""The Jobs of the training image: one trains and stores a model, one packages it with the service."""

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
"""The headless Service of the pods of a training on several nodes."""
PEER_PORT = 29500
_PACKAGE_DEADLINE_S = 900


def training(settings: Settings) -> list[Any]:
    """Return the Job that trains a model and stores it on the volume, unless nothing has changed.

    On several nodes, torchrun connects one pod for each, with the first pod as the rendezvous.
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
    """Return the Job that packages service and model as a Bento and stores the context of its image."""
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
    """Return a Job of `python -m training`; its termination message is the printed tag."""
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
                    client.V1EnvVar(name="TQDM_MININTERVAL", value="30"),  # fewer progress lines in the log
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
    """Return the torchrun command for several processes; None for one process."""
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
    """Return a container that gives a new hostPath folder to the training user, since `fsGroup` has no effect on it."""
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
    """Return the headless Service of the training pods, which resolves them before they are ready."""
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
