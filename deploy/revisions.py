"""The revisions of the Deployment that the cluster still has."""

from __future__ import annotations

from typing import Any, NamedTuple

from deploy.cluster import Cluster
from deploy.objects.common import SERVING, labels

REVISION = "deployment.kubernetes.io/revision"
"""Annotation of a Deployment and its ReplicaSets: the number of the revision."""
HASH = "pod-template-hash"
"""Label of a ReplicaSet and its pods: the hash of the pod template."""


class Revision(NamedTuple):
    """A revision that the cluster still has. hash: of its pod template. number: a greater number is newer."""

    hash: str
    number: int
    template: dict[str, Any]

    @property
    def image(self) -> str:
        """The image of its pods."""
        return str(self.template["spec"]["containers"][0]["image"])


def revisions(cluster: Cluster, namespace: str) -> list[Revision]:
    """Return every revision of the Deployment that the cluster still has."""
    present = []
    for owned in cluster.find("ReplicaSet", namespace, labels(SERVING)):
        number = owned["metadata"].get("annotations", {}).get(REVISION)
        template = owned["spec"]["template"]
        own = {name: value for name, value in template["metadata"]["labels"].items() if name != HASH}
        if number is not None:
            unhashed = {"metadata": {"labels": own}, "spec": template["spec"]}
            present.append(Revision(owned["metadata"]["labels"][HASH], int(number), unhashed))
    return present
