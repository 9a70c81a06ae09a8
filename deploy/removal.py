"""Delete the deployed objects; the trained models are only deleted with `purge`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from deploy import render
from deploy.apply import ADMINISTRATORS
from deploy.cluster import Cluster
from deploy.errors import Refused, RemovalLate
from deploy.kinds import describe, rank
from deploy.objects.storage import CLAIM
from deploy.settings import Settings

GONE_S = 300
"""How long deleted objects may remain, in seconds: pods drain, and a namespace waits for its objects."""
POLL_S = 1.0
_SHOWN = 3
_VOLUME = "PersistentVolume"


class Removed(NamedTuple):
    """The deleted objects, and those that only an administrator may delete."""

    deleted: list[str]
    left: list[str]


def removed(settings: Settings, *, purge: bool) -> list[dict[str, Any]]:
    """Return the objects to delete in order, the reverse of the order of applying.

    purge: delete the volume, its claim and the namespace of the claim too, which hold the models.
    """
    runs = [manifest for objects in render.runs(settings).values() for manifest in objects]
    models = {
        ("PersistentVolume", settings.volume),
        ("PersistentVolumeClaim", CLAIM),
        ("Namespace", settings.training_namespace),
    }
    objects = [*runs, *render.objects(settings)]
    chosen = [
        manifest for manifest in objects if purge or (manifest["kind"], manifest["metadata"]["name"]) not in models
    ]
    return sorted(chosen, key=rank, reverse=True)


def remove(cluster: Cluster, objects: list[dict[str, Any]], report: Callable[[str], None]) -> Removed:
    """Delete objects, report each, and wait until the deleted objects are gone.

    Objects that only an administrator may delete are skipped. Raises Refused when another object may not be deleted,
    and RemovalLate when an object still exists after GONE_S.
    """
    deleted, kept = [], []
    protected = _protected_kinds(cluster, objects)
    for manifest in objects:
        if manifest["kind"] in protected:
            kept.append(manifest)
            report(f"{describe(manifest)} left: only an administrator may delete the volume, and the claim with it")
            continue
        try:
            existed = cluster.delete(*_kind_name_namespace(manifest))
        except Refused as error:
            if error.status != 403 or manifest["kind"] not in ADMINISTRATORS:
                raise
            kept.append(manifest)
            report(f"{describe(manifest)} left: only an administrator may delete it")
            continue
        if existed:
            deleted.append(manifest)
        report(f"{describe(manifest)} {'deleted' if existed else 'was not there'}")
    _wait(cluster, deleted, report)
    return Removed([describe(manifest) for manifest in deleted], [describe(manifest) for manifest in kept])


def _protected_kinds(cluster: Cluster, objects: list[dict[str, Any]]) -> set[str]:
    """Return the kinds to keep if the volume may not be deleted, since it could not be bound to another claim."""
    if not any(manifest["kind"] == _VOLUME for manifest in objects) or cluster.review(None, _VOLUME, "delete"):
        return set()
    return {_VOLUME, "PersistentVolumeClaim"}


def _wait(cluster: Cluster, deleted: list[dict[str, Any]], report: Callable[[str], None]) -> None:
    deadline, reported = time.monotonic() + GONE_S, 0
    while remaining := [manifest for manifest in deleted if cluster.get(*_kind_name_namespace(manifest)) is not None]:
        if len(remaining) != reported:
            report(f"waiting until it is gone: {_summary(remaining)}")
            reported = len(remaining)
        if time.monotonic() > deadline:
            raise RemovalLate(
                f"{_summary(remaining)}: still there {GONE_S} s after it was deleted; look at the pods that still "
                "end and at its finalizers (`kubectl get -o yaml`), then run this again"
            )
        time.sleep(POLL_S)
        deleted = remaining


def _kind_name_namespace(manifest: dict[str, Any]) -> tuple[str, str, str | None]:
    return manifest["kind"], manifest["metadata"]["name"], manifest["metadata"].get("namespace")


def _summary(objects: list[dict[str, Any]]) -> str:
    more = f" and {len(objects) - _SHOWN} more" if len(objects) > _SHOWN else ""
    return ", ".join(map(describe, objects[:_SHOWN])) + more
