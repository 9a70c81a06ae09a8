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
    runs = [made for objects in render.runs(settings).values() for made in objects]
    kept = {
        ("PersistentVolume", settings.volume),
        ("PersistentVolumeClaim", CLAIM),
        ("Namespace", settings.training_namespace),
    }
    objects = [*runs, *render.objects(settings)]
    chosen = [made for made in objects if purge or (made["kind"], made["metadata"]["name"]) not in kept]
    return sorted(chosen, key=rank, reverse=True)


def remove(cluster: Cluster, objects: list[dict[str, Any]], say: Callable[[str], None]) -> Removed:
    """Delete objects, say what became of each, and wait until those that were deleted are gone.

    What only an administrator may delete is left, with a line. Raises Refused for anything else that may not be
    deleted, and RemovalLate when something is still there after GONE_S.
    """
    deleted, left = [], []
    bound = _bound(cluster, objects)
    for made in objects:
        if made["kind"] in bound:
            left.append(made)
            say(f"{describe(made)} left: only an administrator may delete the volume, and the claim with it")
            continue
        try:
            there = cluster.delete(*_place(made))
        except Refused as error:
            if error.status != 403 or made["kind"] not in ADMINISTRATORS:
                raise
            left.append(made)
            say(f"{describe(made)} left: only an administrator may delete it")
            continue
        if there:
            deleted.append(made)
        say(f"{describe(made)} {'deleted' if there else 'was not there'}")
    _wait(cluster, deleted, say)
    return Removed([describe(made) for made in deleted], [describe(made) for made in left])


def _bound(cluster: Cluster, objects: list[dict[str, Any]]) -> set[str]:
    """Return the kinds that stay where the volume may not be deleted: it would not be bound to another claim again."""
    if not any(made["kind"] == _VOLUME for made in objects) or cluster.review(None, _VOLUME, "delete"):
        return set()
    return {_VOLUME, "PersistentVolumeClaim"}


def _wait(cluster: Cluster, deleted: list[dict[str, Any]], say: Callable[[str], None]) -> None:
    deadline, said = time.monotonic() + GONE_S, 0
    while there := [made for made in deleted if cluster.get(*_place(made)) is not None]:
        if len(there) != said:
            say(f"waiting until it is gone: {_listed(there)}")
            said = len(there)
        if time.monotonic() > deadline:
            raise RemovalLate(
                f"{_listed(there)}: still there {GONE_S} s after it was deleted; look at the pods that still end and "
                "at its finalizers (`kubectl get -o yaml`), then run this again"
            )
        time.sleep(POLL_S)
        deleted = there


def _place(made: dict[str, Any]) -> tuple[str, str, str | None]:
    return made["kind"], made["metadata"]["name"], made["metadata"].get("namespace")


def _listed(objects: list[dict[str, Any]]) -> str:
    more = f" and {len(objects) - _SHOWN} more" if len(objects) > _SHOWN else ""
    return ", ".join(map(describe, objects[:_SHOWN])) + more
