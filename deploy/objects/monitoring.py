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
ROW = 4
"""Panels in a row of the dashboard."""
Panel = tuple[str, dict[str, str]]
"""A panel's title, and its lines: legend and query."""


def objects(settings: Settings) -> list[Any]:
    """Return the ServiceMonitor, the alerts and the dashboard for Grafana's sidecar; empty without monitoring."""
    if settings.monitoring == "none":
        return []
    return [_monitor(settings), prometheus_rule(settings), _dashboard(settings)]


def _monitor(settings: Settings) -> dict[str, Any]:
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


def _dashboard(settings: Settings) -> client.V1ConfigMap:
    namespace = settings.serving_namespace
    panels = [*_traffic(namespace), *_answers(namespace), *_pods(namespace)]
    dashboard = {
        "uid": "extractive-qa",
        "title": "Extractive question answering",
        "schemaVersion": 39,
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "30s",
        "panels": [_panel(number, *panel) for number, panel in enumerate(panels)],
    }
    return client.V1ConfigMap(
        api_version="v1",
        kind="ConfigMap",
        metadata=metadata(DASHBOARD, namespace, grafana_dashboard="1"),
        data={"extractive-qa.json": json.dumps(dashboard, indent=1)},
    )


def _traffic(namespace: str) -> list[Panel]:
    """Return the row of requests."""
    here = f'namespace="{namespace}"'
    asked = f"{here},{ANSWERS}"
    requests = f"rate(bentoml_service_request_total{{{asked}}}[5m])"
    refusals = f"rate(extractive_qa_refusals_total{{{here}}}[5m])"
    duration = f"bentoml_service_request_duration_seconds_bucket{{{asked}}}"
    waited, read = (f"extractive_qa_{part}_seconds_bucket{{{here}}}" for part in ("wait", "read"))
    return [
        ("Requests a second, by status", {"{{http_response_code}}": f"sum by (http_response_code) ({requests})"}),
        (
            "Seconds that a request takes",
            {
                "p50": _quantile(0.5, duration),
                "p95": _quantile(0.95, duration),
                "p95 waiting": _quantile(0.95, waited),
                "p95 reading": _quantile(0.95, read),
            },
        ),
        ("Requests in flight", {"in flight": f"sum(bentoml_service_request_in_progress{{{asked}}})"}),
        ("Refusals a second, by reason", {"{{reason}}": f"sum by (reason) ({refusals})"}),
    ]


def _answers(namespace: str) -> list[Panel]:
    """Return the row of the model."""
    here = f'namespace="{namespace}"'
    answers = f"rate(extractive_qa_answers_total{{{here}}}[5m])"
    confidence = f"extractive_qa_confidence_bucket{{{here}}}"
    index = f"extractive_qa_population_stability_index{{{here}}}"
    return [
        ("Answers a second, by outcome", {"{{outcome}}": f"sum by (outcome) ({answers})"}),
        ("Confidence", {f"p{100 * part:.0f}": _quantile(part, confidence) for part in (0.1, 0.5, 0.9)}),
        ("Drift from the dev questions", {"{{feature}}": f"max by (feature) ({index})"}),
        (
            "Tokens a second",
            {
                "read": f"sum(rate(extractive_qa_tokens_total{{{here}}}[5m]))",
                "expected of all pods": f"sum(extractive_qa_expected_tokens_per_second{{{here}}})",
            },
        ),
    ]


def _pods(namespace: str) -> list[Panel]:
    """Return the row of the autoscaler and the pods."""
    here = f'namespace="{namespace}"'
    autoscaler = f'{here},horizontalpodautoscaler="{AUTOSCALER}"'
    container = f'{here},pod=~"{DEPLOYMENT}-.*",container="service"'
    return [
        (
            "Replicas",
            {
                "desired": f"kube_horizontalpodautoscaler_status_desired_replicas{{{autoscaler}}}",
                "current": f"kube_horizontalpodautoscaler_status_current_replicas{{{autoscaler}}}",
            },
        ),
        (
            "Pods by model and Bento",
            {"{{model}} {{bento}}": f"count by (model, bento) (extractive_qa_model_info{{{here}}})"},
        ),
        (
            "CPU of each pod",
            {"{{pod}}": f"sum by (pod) (rate(container_cpu_usage_seconds_total{{{container}}}[5m]))"},
        ),
        ("Memory of each pod", {"{{pod}}": f"container_memory_working_set_bytes{{{container}}}"}),
    ]


def _quantile(part: float, buckets: str) -> str:
    return f"histogram_quantile({part}, sum by (le) (rate({buckets}[5m])))"


def _panel(number: int, title: str, lines: dict[str, str]) -> dict[str, Any]:
    """Return a panel of time series; three rows of four panels fill a screen."""
    width, height = 6, 8
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "gridPos": {"x": number % ROW * width, "y": number // ROW * height, "w": width, "h": height},
        "targets": [
            {"refId": chr(ord("A") + order), "expr": query, "legendFormat": legend}
            for order, (legend, query) in enumerate(lines.items())
        ],
    }
