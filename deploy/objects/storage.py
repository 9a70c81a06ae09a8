"""The volume of the training runs, the model store and the build context."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from deploy.objects.common import TRAINING, metadata
from deploy.settings import Settings

CLAIM = "train-model-pvc"
FOLDER = "/mnt/model"
"""The mount path of the volume in pods."""


def objects(settings: Settings) -> list[Any]:
    """Return the claim and, without a storage class, its volume.

    The reclaim policy is Retain, so that the models outlive the claim.
    """
    size = {"storage": settings.storage_size}
    own = settings.storage_class is None
    claim = client.V1PersistentVolumeClaim(
        api_version="v1",
        kind="PersistentVolumeClaim",
        metadata=metadata(CLAIM, settings.training_namespace, TRAINING),
        spec=client.V1PersistentVolumeClaimSpec(
            access_modes=_access(settings),
            storage_class_name="" if own else settings.storage_class,
            volume_name=settings.volume if own else None,
            resources=client.V1VolumeResourceRequirements(requests=size),
        ),
    )
    return [_volume(settings, size), claim] if own else [claim]


def _access(settings: Settings) -> list[str]:
    return ["ReadWriteMany" if settings.train_nodes > 1 else "ReadWriteOnce"]


def _volume(settings: Settings, size: dict[str, str]) -> client.V1PersistentVolume:
    return client.V1PersistentVolume(
        api_version="v1",
        kind="PersistentVolume",
        metadata=metadata(settings.volume, component=TRAINING),
        spec=client.V1PersistentVolumeSpec(
            access_modes=_access(settings),
            capacity=size,
            persistent_volume_reclaim_policy="Retain",
            storage_class_name="",
            host_path=client.V1HostPathVolumeSource(path=settings.storage_path, type="DirectoryOrCreate"),
            claim_ref=client.V1ObjectReference(
                api_version="v1",
                kind="PersistentVolumeClaim",
                name=CLAIM,
                namespace=settings.training_namespace,
            ),
        ),
    )


def mounted(*, read_only: bool | None = None) -> client.V1Volume:
    """Return the volume of a pod that uses the claim."""
    source = client.V1PersistentVolumeClaimVolumeSource(claim_name=CLAIM, read_only=read_only)
    return client.V1Volume(name="model", persistent_volume_claim=source)
