"""What Prometheus collects and alerts on, and the dashboard of Grafana."""

from __future__ import annotations

from typing import Any

from deploy.objects.alerts import prometheus_rule
from deploy.objects.common import SERVING, labels, metadata
from deploy.objects.dashboard import dashboard
from deploy.objects.serving import PORT_NAME
from deploy.settings import Settings

MONITOR = "qna-metrics"


def objects(settings: Settings) -> list[Any]:
    """Return the ServiceMonitor, the alerts and the dashboard for Grafana's sidecar; empty without monitoring."""
    if settings.monitoring == "none":
        return []
    return [service_monitor(settings), prometheus_rule(settings), dashboard(settings)]


def service_monitor(settings: Settings) -> dict[str, Any]:
    """Return the ServiceMonitor, which has Prometheus collect each pod's /metrics."""
    # The operator adds a label `endpoint`, the port's name, where BentoML's series have the path.
    endpoint = {"port": PORT_NAME, "path": "/metrics", "interval": "30s", "honorLabels": True}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata(MONITOR, settings.serving_namespace, SERVING).to_dict(),
        "spec": {
            "selector": {"matchLabels": labels(SERVING)},
            "endpoints": [endpoint],
        },
    }
