"""Checks the permissions of these credentials and the objects that an administrator applies."""

from __future__ import annotations

from collections.abc import Iterator

from deploy import render
from deploy.apply import ADMINISTRATORS, REMEDY, obstacle
from deploy.cluster import Cluster
from deploy.errors import Refused
from deploy.findings import Finding, error, ok
from deploy.kinds import describe
from deploy.settings import Settings

_TRAINING = ("Job", "PersistentVolumeClaim", "NetworkPolicy")
_SERVING = (
    *("NetworkPolicy", "Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Ingress", "Job"),
)

_SHOWN = 2


def permissions(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    """Check each permission, and the objects that only an administrator may apply."""
    missing = _missing(cluster, settings)
    wrong, unread = _administrators(cluster, settings)
    if missing or unread:
        yield error(
            f"not allowed: {'; '.join([*missing, *unread])}", f"act as qna-deployer; if it lacks these, {REMEDY}"
        )
    else:
        yield ok("everything that is deployed may be changed")
    for problem in wrong:
        yield error(problem, REMEDY)


def _missing(cluster: Cluster, settings: Settings) -> list[str]:
    """Return a line of missing permissions for each namespace."""
    lines = []
    for namespace, kinds in ((settings.training_namespace, _TRAINING), (settings.serving_namespace, _SERVING)):
        refused = [kind for kind in kinds if not cluster.review(namespace, kind, "patch")]
        missing = [f"patch {', '.join(refused)}"] if refused else []
        missing += [] if cluster.review(namespace, "Pod", "get", "log") else ["read logs"]
        lines += [f"in {namespace}, {' and '.join(missing)}"] if missing else []
    return lines


def _administrators(cluster: Cluster, settings: Settings) -> tuple[list[str], list[str]]:
    """Return problems of the administrator's objects, and a line of those that may not be read."""
    wrong, unread = [], []
    for manifest in render.objects(settings, "namespaces", "access", "storage"):
        kind, name, namespace = manifest["kind"], manifest["metadata"]["name"], manifest["metadata"].get("namespace")
        if kind not in ADMINISTRATORS or cluster.review(namespace, kind, "patch", name=name):
            continue
        try:
            problem = obstacle(manifest, cluster.get(kind, name, namespace))
        except Refused as refusal:
            if refusal.status != 403:
                raise
            unread.append(describe(manifest))
        else:
            wrong += [problem] if problem is not None else []
    more = f" and {len(unread) - _SHOWN} more of the administrator's part" if len(unread) > _SHOWN else ""
    return wrong, [f"read {', '.join(unread[:_SHOWN])}{more}"] if unread else []
