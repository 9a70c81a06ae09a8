"""What Prometheus collects and alerts on, and the dashboard of Grafana."""

from __future__ import annotations

import json
from typing import Any

from kubernetes import client

from deploy.objects.alerts import ANSWERS, prometheus_rule
from deploy.objects.common import SERVING, labels, metadata
from deploy.objects.scaling import AUTOSCALER
from deploy.objects.serving import DEPLOYMENT, PORT_NAME
from deploy.settings import Settings

MONITOR, DASHBOARD = "qna-metrics", "qna-dashboard"


def objects(settings: Settings) -> list[Any]:
    """Return the ServiceMonitor, the alerts and the dashboard for Grafana's sidecar; empty without monitoring."""
    if settings.monitoring == "none":
        return []
    return [_monitor(settings), prometheus_rule(settings), _dashboard(settings)]


def _monitor(settings: Settings) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata(MONITOR, settings.serving_namespace, SERVING).to_dict(),
        "spec": {
            "selector": {"matchLabels": labels(SERVING)},
            "endpoints": [{"port": PORT_NAME, "path": "/metrics", "interval": "30s"}],
        },
    }


def _dashboard(settings: Settings) -> client.V1ConfigMap:
    namespace = settings.serving_namespace
    selector = f'namespace="{namespace}"'
    duration = "bentoml_service_request_duration_seconds_bucket"
    quantile = f"histogram_quantile(%s, sum by (le) (rate({duration}{{{selector},{ANSWERS}}}[5m])))"
    autoscaler = f'{selector},horizontalpodautoscaler="{AUTOSCALER}"'
    panels = {
        "Requests a second, by status": {
            "{{http_response_code}}": (
                f"sum by (http_response_code) (rate(bentoml_service_request_total{{{selector},{ANSWERS}}}[5m]))"
            )
        },
        "Seconds an answer takes": {"p50": quantile % 0.5, "p95": quantile % 0.95},
        "Requests in flight": {
            "in flight": f"sum(bentoml_service_request_in_progress{{{selector},{ANSWERS}}})",
        },
        "Replicas": {
            "desired": f"kube_horizontalpodautoscaler_status_desired_replicas{{{autoscaler}}}",
            "current": f"kube_horizontalpodautoscaler_status_current_replicas{{{autoscaler}}}",
        },
        "CPU of each pod": {
            "{{pod}}": (
                "sum by (pod) (rate(container_cpu_usage_seconds_total"
                f'{{{selector},pod=~"{DEPLOYMENT}-.*",container="service"}}[5m]))'
            )
        },
        "Memory of each pod": {
            "{{pod}}": (f'container_memory_working_set_bytes{{{selector},pod=~"{DEPLOYMENT}-.*",container="service"}}')
        },
    }
    dashboard = {
        "uid": "extractive-qa",
        "title": "Extractive question answering",
        "schemaVersion": 39,
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "30s",
        "panels": [_panel(number, title, lines) for number, (title, lines) in enumerate(panels.items())],
    }
    return client.V1ConfigMap(
        api_version="v1",
        kind="ConfigMap",
        metadata=metadata(DASHBOARD, namespace, grafana_dashboard="1"),
        data={"extractive-qa.json": json.dumps(dashboard, indent=1)},
    )


def _panel(number: int, title: str, lines: dict[str, str]) -> dict[str, Any]:
    """Return a panel of time series; two panels are in a row."""
    width, height = 12, 8
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "gridPos": {"x": number % 2 * width, "y": number // 2 * height, "w": width, "h": height},
        "targets": [
            {"refId": chr(ord("A") + order), "expr": query, "legendFormat": legend}
            for order, (legend, query) in enumerate(lines.items())
        ],
    }
