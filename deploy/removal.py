"""Everything that was deployed, off the cluster again; the trained models only when that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deploy import render
from deploy.cluster import KINDS, Cluster, describe
from deploy.objects.storage import CLAIM
from deploy.settings import Settings

_RANK = {kind: rank for rank, kind in enumerate(KINDS)}


def removed(settings: Settings, *, purge: bool) -> list[dict[str, Any]]:
    """Return what is to be deleted, in that order: the reverse of applying.

    Unless purge, the volume, its claim and the namespace that the claim is in are left: they hold the models.
    """
    files = {**render.runs(settings), **render.manifests(settings)}
    objects = [made for file in files.values() for made in file]
    kept = {
        ("PersistentVolume", settings.volume),
        ("PersistentVolumeClaim", CLAIM),
        ("Namespace", settings.training_namespace),
    }
    chosen = [made for made in objects if purge or (made["kind"], made["metadata"]["name"]) not in kept]
    return sorted(chosen, key=lambda made: -_RANK[made["kind"]])


def remove(cluster: Cluster, objects: list[dict[str, Any]], say: Callable[[str], None]) -> int:
    """Delete objects, say what became of each, and return how many there were."""
    count = 0
    for made in objects:
        there = cluster.delete(made["kind"], made["metadata"]["name"], made["metadata"].get("namespace"))
        count += there
        say(f"{describe(made)} {'deleted' if there else 'was not there'}")
    return count
