"""Everything that was deployed, off the cluster again; the trained models only when that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deploy import render
from deploy.cluster import Cluster
from deploy.kinds import describe, rank
from deploy.objects.storage import CLAIM
from deploy.settings import Settings


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


def remove(cluster: Cluster, objects: list[dict[str, Any]], say: Callable[[str], None]) -> int:
    """Delete objects, say what became of each, and return how many there were."""
    count = 0
    for made in objects:
        there = cluster.delete(made["kind"], made["metadata"]["name"], made["metadata"].get("namespace"))
        count += there
        say(f"{describe(made)} {'deleted' if there else 'was not there'}")
    return count
