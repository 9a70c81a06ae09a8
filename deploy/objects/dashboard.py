"""The dashboard of Grafana: traffic, answers, autoscaler and pods on one screen."""

from __future__ import annotations

import json
from typing import Any

from kubernetes import client

from deploy.objects.alerts import ANSWERS
from deploy.objects.common import metadata
from deploy.objects.scaling import AUTOSCALER
from deploy.objects.serving import DEPLOYMENT
from deploy.settings import Settings

DASHBOARD = "qna-dashboard"
ROW = 4
"""Panels in a row of the dashboard."""
Panel = tuple[str, dict[str, str]]
"""A panel's title, and its lines: legend and query."""


def dashboard(settings: Settings) -> client.V1ConfigMap:
    """Return the ConfigMap that Grafana's sidecar loads as a dashboard."""
    namespace = settings.serving_namespace
    panels = [*_traffic(namespace), *_answers(namespace), *_pods(namespace)]
    content = {
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
        data={"extractive-qa.json": json.dumps(content, indent=1)},
    )


def _traffic(namespace: str) -> list[Panel]:
    """Return the row of requests."""
    pods = f'namespace="{namespace}"'
    answers = f"{pods},{ANSWERS}"
    requests = f"rate(bentoml_service_request_total{{{answers}}}[5m])"
    refusals = f"rate(extractive_qa_refusals_total{{{pods}}}[5m])"
    duration = f"bentoml_service_request_duration_seconds_bucket{{{answers}}}"
    wait, read = (f"extractive_qa_{phase}_seconds_bucket{{{pods}}}" for phase in ("wait", "read"))
    return [
        ("Requests a second, by status", {"{{http_response_code}}": f"sum by (http_response_code) ({requests})"}),
        (
            "Seconds that a request takes",
            {
                "p50": _quantile(0.5, duration),
                "p95": _quantile(0.95, duration),
                "p95 waiting": _quantile(0.95, wait),
                "p95 reading": _quantile(0.95, read),
            },
        ),
        ("Requests in flight", {"in flight": f"sum(bentoml_service_request_in_progress{{{answers}}})"}),
        ("Refusals a second, by reason", {"{{reason}}": f"sum by (reason) ({refusals})"}),
    ]


def _answers(namespace: str) -> list[Panel]:
    """Return the row of the model."""
    pods = f'namespace="{namespace}"'
    answers = f"rate(extractive_qa_answers_total{{{pods}}}[5m])"
    confidence = f"extractive_qa_confidence_bucket{{{pods}}}"
    index = f"extractive_qa_population_stability_index{{{pods}}}"
    return [
        ("Answers a second, by outcome", {"{{outcome}}": f"sum by (outcome) ({answers})"}),
        ("Confidence", {f"p{100 * quantile:.0f}": _quantile(quantile, confidence) for quantile in (0.1, 0.5, 0.9)}),
        ("Drift from the dev questions", {"{{feature}}": f"max by (feature) ({index})"}),
        (
            "Tokens a second",
            {
                "read": f"sum(rate(extractive_qa_tokens_total{{{pods}}}[5m]))",
                "expected of all pods": f"sum(extractive_qa_expected_tokens_per_second{{{pods}}})",
            },
        ),
    ]


def _pods(namespace: str) -> list[Panel]:
    """Return the row of the autoscaler and the pods."""
    autoscaler = f'namespace="{namespace}",horizontalpodautoscaler="{AUTOSCALER}"'
    container = f'namespace="{namespace}",pod=~"{DEPLOYMENT}-.*",container="service"'
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
            {"{{model}} {{bento}}": f'count by (model, bento) (extractive_qa_model_info{{namespace="{namespace}"}})'},
        ),
        (
            "CPU of each pod",
            {"{{pod}}": f"sum by (pod) (rate(container_cpu_usage_seconds_total{{{container}}}[5m]))"},
        ),
        ("Memory of each pod", {"{{pod}}": f"container_memory_working_set_bytes{{{container}}}"}),
    ]


def _quantile(quantile: float, buckets: str) -> str:
    return f"histogram_quantile({quantile}, sum by (le) (rate({buckets}[5m])))"


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
