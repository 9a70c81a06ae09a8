"""The Job that trains, stores the model on the volume, and leaves the context of its image there."""

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

TRAIN = "train-model-job"
CONTEXT = f"{FOLDER}/context.tar.gz"
PEERS = "train-model"
"""The name by which the pods of a training on several nodes find each other."""
PEER_PORT = 29500


def objects(settings: Settings) -> list[Any]:
    """Train, store the model on the volume, and leave the context of its image there.

    On several nodes a pod each, which torchrun brings together: the first pod is where they meet.
    """
    nodes = settings.train_nodes
    volumes, mounts = scratch("2Gi", tmp="/tmp")  # noqa: S108  # a mount point
    model = client.V1VolumeMount(name="model", mount_path=FOLDER)
    made = job(
        TRAIN,
        settings.training_namespace,
        TRAINING,
        settings,
        deadline_s=settings.train_deadline_s,
        nodes=nodes,
        security_context=unprivileged(),
        subdomain=PEERS if nodes > 1 else None,
        init_containers=[_own_the_folder(settings, model)] if settings.storage_class is None else None,
        containers=[
            client.V1Container(
                name="train",
                image=settings.training_reference,
                image_pull_policy="Always",
                command=_command(settings),
                args=_arguments(settings),
                env=[
                    client.V1EnvVar(name="BENTOML_HOME", value=f"{FOLDER}/bentoml"),
                    client.V1EnvVar(name="TQDM_MININTERVAL", value="30"),  # a log is no terminal
                    client.V1EnvVar(name="HF_HOME", value=f"{FOLDER}/huggingface"),
                ],
                resources=_resources(settings),
                security_context=locked_down(),
                termination_message_policy="FallbackToLogsOnError",
                volume_mounts=[model, *mounts],
            )
        ],
        volumes=[mounted(), *volumes],
    )
    return [made] if nodes == 1 else [_peers(settings), made]


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


def _arguments(settings: Settings) -> list[str]:
    where = ["--output-dir", f"{FOLDER}/runs/job", "--overwrite"]
    left = ["--context", CONTEXT, "--tag-file", "/dev/termination-log"]
    return ["train", *where, *left, *settings.train_arguments]


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
