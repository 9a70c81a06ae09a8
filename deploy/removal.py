"""Everything that was deployed, off the cluster again; the trained models only when that is asked for."""

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
"""How long deleted objects may take to go: pods drain, and a namespace takes what is in it along."""
POLL_S = 1.0
_SHOWN = 3
_VOLUME = "PersistentVolume"


class Removed(NamedTuple):
    """What was deleted, and what is left for an administrator."""

    deleted: list[str]
    left: list[str]


def removed(settings: Settings, *, purge: bool) -> list[dict[str, Any]]:
    """Return what is to be deleted, in that order: the reverse of applying.

    Unless purge, the volume, its claim and the namespace that the claim is in are left: they hold the models.
    """
    runs = [manifest for objects in render.runs(settings).values() for manifest in objects]
    kept = {
        ("PersistentVolume", settings.volume),
        ("PersistentVolumeClaim", CLAIM),
        ("Namespace", settings.training_namespace),
    }
    objects = [*runs, *render.objects(settings)]
    chosen = [manifest for manifest in objects if purge or (manifest["kind"], manifest["metadata"]["name"]) not in kept]
    return sorted(chosen, key=rank, reverse=True)


def remove(cluster: Cluster, objects: list[dict[str, Any]], report: Callable[[str], None]) -> Removed:
    """Delete objects, say what became of each, and wait until those that were deleted are gone.

    What only an administrator may delete is left, with a line. Raises Refused for anything else that may not be
    deleted, and RemovalLate when something is still there after GONE_S.
    """
    deleted, left = [], []
    bound = _bound(cluster, objects)
    for manifest in objects:
        if manifest["kind"] in bound:
            left.append(manifest)
            report(f"{describe(manifest)} left: only an administrator may delete the volume, and the claim with it")
            continue
        try:
            there = cluster.delete(*_place(manifest))
        except Refused as error:
            if error.status != 403 or manifest["kind"] not in ADMINISTRATORS:
                raise
            left.append(manifest)
            report(f"{describe(manifest)} left: only an administrator may delete it")
            continue
        if there:
            deleted.append(manifest)
        report(f"{describe(manifest)} {'deleted' if there else 'was not there'}")
    _wait(cluster, deleted, report)
    return Removed([describe(manifest) for manifest in deleted], [describe(manifest) for manifest in left])


def _bound(cluster: Cluster, objects: list[dict[str, Any]]) -> set[str]:
    """Return the kinds that stay where the volume may not be deleted: it would not be bound to another claim again."""
    if not any(manifest["kind"] == _VOLUME for manifest in objects) or cluster.review(None, _VOLUME, "delete"):
        return set()
    return {_VOLUME, "PersistentVolumeClaim"}


def _wait(cluster: Cluster, deleted: list[dict[str, Any]], report: Callable[[str], None]) -> None:
    deadline, reported = time.monotonic() + GONE_S, 0
    while there := [manifest for manifest in deleted if cluster.get(*_place(manifest)) is not None]:
        if len(there) != reported:
            report(f"waiting until it is gone: {_listed(there)}")
            reported = len(there)
        if time.monotonic() > deadline:
            raise RemovalLate(
                f"{_listed(there)}: still there {GONE_S} s after it was deleted; look at the pods that still end and "
                "at its finalizers (`kubectl get -o yaml`), then run this again"
            )
        time.sleep(POLL_S)
        deleted = there


def _place(manifest: dict[str, Any]) -> tuple[str, str, str | None]:
    return manifest["kind"], manifest["metadata"]["name"], manifest["metadata"].get("namespace")


def _listed(objects: list[dict[str, Any]]) -> str:
    more = f" and {len(objects) - _SHOWN} more" if len(objects) > _SHOWN else ""
    return ", ".join(map(describe, objects[:_SHOWN])) + more
