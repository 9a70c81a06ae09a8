"""The state of the deployed service: model, image, replicas, autoscaler and last events."""

from __future__ import annotations

from typing import Any

from tabulate import tabulate

from deploy import evidence
from deploy.autoscaling import Autoscaler
from deploy.cluster import Cluster
from deploy.errors import DeployError
from deploy.objects.common import SERVING, labels
from deploy.objects.scaling import AUTOSCALER
from deploy.objects.serving import DEPLOYMENT, PORT_NAME, SERVICE
from deploy.revisions import REVISION, revisions
from deploy.rollout import PASSED
from deploy.settings import Settings


def status(cluster: Cluster, settings: Settings) -> dict[str, Any]:
    """Return the state of the service; an object that is missing is None. Raises Unreachable or Refused."""
    namespace = settings.serving_namespace
    deployment = cluster.get("Deployment", DEPLOYMENT, namespace)
    scaler = cluster.get("HorizontalPodAutoscaler", AUTOSCALER, namespace)
    pods = cluster.find("Pod", namespace, labels(SERVING))
    names = {DEPLOYMENT, AUTOSCALER, SERVICE, *(pod["metadata"]["name"] for pod in pods)}
    return {
        "service": _health(cluster, namespace),
        "deployment": None if deployment is None else _deployment(cluster, deployment),
        "autoscaler": None if scaler is None else _autoscaler(scaler),
        "pods": [{"name": pod["metadata"]["name"], "state": evidence.progress(pod)} for pod in pods],
        "events": evidence.events(cluster, namespace, names),
    }


def table(state: dict[str, Any]) -> str:
    """Format the status as lines of text."""
    rows: list[tuple[str, str]] = []
    service, deployment, scaler = state["service"], state["deployment"], state["autoscaler"]
    rows.append(("model", service["model"] if "model" in service else service["problem"]))
    rows.append(("Bento", service.get("bento") or "none"))
    if deployment is None:
        rows.append(("image", "nothing is deployed; run `python -m deploy apply`"))
    else:
        rows.append(("image", deployment["image"]))
        rows.append(("replicas", f"{deployment['available']} of {deployment['replicas']} available"))
        rows.append(("revision", f"{deployment['revision']}, {'passed' if deployment['passed'] else 'not passed'}"))
    if scaler is not None:
        decision = [f"wants {scaler['desired']}"] if scaler["desired"] is not None else []
        decision += [scaler["problem"]] if scaler["problem"] is not None else []
        rows.append(("HPA", f"{scaler['min']} to {scaler['max']}, {'; '.join(decision)}"))
        cpu = "not read yet" if scaler["cpu_percent"] is None else f"{scaler['cpu_percent']} % of the request"
        cpu += " when it was last read" if scaler["desired"] is not None and scaler["problem"] is not None else ""
        rows.append(("CPU", f"{cpu}, {scaler['target']} % wanted"))
    rows += [("pod" if not number else "", f"{pod['name']} {pod['state']}") for number, pod in enumerate(state["pods"])]
    rows += [("events" if not number else "", line) for number, line in enumerate(state["events"])]
    return tabulate(rows, tablefmt="plain", disable_numparse=True)


def verified(report: dict[str, Any]) -> str:
    """Format the report of a verification as lines of text."""
    rows = [
        ("model", report["model"]),
        ("Bento", report["bento"]),
        ("files", f"{report['files']}, as they were stored"),
    ]
    measured: dict[str, Any] = report.get("metrics", {})
    rows += [
        (name.replace("_", " "), f"{value:.2f}" if isinstance(value, float) else value)
        for name, value in measured.items()
    ]
    if "memory_mb" in report:
        rows.append(("memory", f"about {report['memory_mb']} MB"))
    rows.append(("answer", f"{report['answer']} ({report['confidence']:.2f})"))
    return tabulate(rows, tablefmt="plain", disable_numparse=True)


def _health(cluster: Cluster, namespace: str) -> dict[str, Any]:
    try:
        health = cluster.call_service(SERVICE, PORT_NAME, namespace, "/health")
    except DeployError as error:
        return {"problem": str(error)}
    return {"model": health["model"]["tag"], "bento": health["bento"], "version": health["version"]}


def _deployment(cluster: Cluster, deployment: dict[str, Any]) -> dict[str, Any]:
    metadata, state = deployment["metadata"], deployment.get("status", {})
    number = metadata.get("annotations", {}).get(REVISION)
    present = [
        revision.hash for revision in revisions(cluster, metadata["namespace"]) if str(revision.number) == number
    ]
    return {
        "image": deployment["spec"]["template"]["spec"]["containers"][0]["image"],
        "replicas": deployment["spec"].get("replicas"),
        "available": state.get("availableReplicas", 0),
        "revision": number,
        "passed": metadata.get("annotations", {}).get(PASSED) in present,
    }


def _autoscaler(manifest: dict[str, Any]) -> dict[str, Any]:
    scaler = Autoscaler.of(manifest)
    return {
        "min": scaler.minimum,
        "max": scaler.maximum,
        "desired": scaler.desired or None,
        "problem": _problem(manifest, decided=bool(scaler.desired)),
        "target": scaler.target_percent,
        "cpu_percent": scaler.cpu_percent,
    }


def _problem(manifest: dict[str, Any], *, decided: bool) -> str | None:
    """Return why an HPA does not decide; None if it does.

    The first metrics of new pods arrive after a while. An HPA that no longer gets any keeps the replicas that it wanted
    last, and its status keeps the last metric.
    """
    for condition in manifest.get("status", {}).get("conditions", []):
        if condition["type"] == "ScalingActive" and condition["status"] == "False":
            state = "scales nothing now" if decided else "has not decided"
            return f"{state}: {condition.get('reason', '')}: {condition.get('message', '')}"
    return None if decided else "has not decided yet: it reads its first metric up to a minute after the pods are ready"
