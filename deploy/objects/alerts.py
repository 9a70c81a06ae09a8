"""The alerts of Prometheus, each with the section of docs/alerts.md that says what to do."""

from __future__ import annotations

from typing import Any, NamedTuple

from deploy.objects.common import SERVING, metadata
from deploy.objects.scaling import AUTOSCALER
from deploy.objects.serving import DEPLOYMENT
from deploy.settings import Settings

RULES = "qna-alerts"
RUNBOOK = "docs/alerts.md"
ANSWERS = 'endpoint=~"/answers?"'
"""Selects the series of requests with questions."""
_REQUESTS = "bentoml_service_request_total"
_DURATION = "bentoml_service_request_duration_seconds_bucket"


class Alert(NamedTuple):
    """One alert. duration: how long the expression must hold before it fires, as Prometheus writes it."""

    name: str
    severity: str
    duration: str
    expression: str
    summary: str


def prometheus_rule(settings: Settings) -> dict[str, Any]:
    """Return the PrometheusRule with all alerts."""
    runbook = f"{settings.git_url.removesuffix('.git')}/blob/{settings.git_branch}/{RUNBOOK}"
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": metadata(RULES, settings.serving_namespace, SERVING).to_dict(),
        "spec": {"groups": [{"name": RULES, "rules": [_rule(alert, runbook) for alert in alerts(settings)]}]},
    }


def _rule(alert: Alert, runbook: str) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        "for": alert.duration,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "runbook_url": f"{runbook}#{alert.name.lower()}"},
    }


def alerts(settings: Settings) -> list[Alert]:
    """Return the alerts on requests, their drift, pods, autoscaling and the registry."""
    return [*_requests(settings), _drift(settings), *_pods(settings), *_autoscaling(settings), _certificate(settings)]


def _requests(settings: Settings) -> list[Alert]:
    def share(status: str) -> str:
        of_status, total = (
            f'sum(rate({_REQUESTS}{{namespace="{settings.serving_namespace}",{ANSWERS}{selector}}}[5m]))'
            for selector in (f',http_response_code=~"{status}"', "")
        )
        return f"{of_status} / {total} > 0.05"

    buckets = f'sum by (le) (rate({_DURATION}{{namespace="{settings.serving_namespace}",{ANSWERS}}}[5m]))'
    return [
        Alert("QnaErrors", "critical", "5m", share("5.."), "More than 5 % of the requests end with a server error."),
        Alert("QnaRefusals", "warning", "10m", share("429"), "More than 5 % of the requests are refused: too many."),
        Alert(
            "QnaSlow",
            "warning",
            "10m",
            f"histogram_quantile(0.95, {buckets}) > 5",
            "One request in twenty takes more than 5 seconds.",
        ),
    ]


def _drift(settings: Settings) -> Alert:
    """Return the alert on other answers and unreadable texts; texts of another length alone are no fault."""
    features = f'namespace="{settings.serving_namespace}",feature!~".*_characters"'
    index = f"extractive_qa_population_stability_index{{{features}}}"
    return Alert(
        "QnaDrift",
        "warning",
        "30m",
        f"max by (feature) ({index}) > 0.25",
        "The questions are no longer like those that the model was measured on.",
    )


def _pods(settings: Settings) -> list[Alert]:
    namespace = f'namespace="{settings.serving_namespace}"'
    pods = f'{namespace},pod=~"{DEPLOYMENT}-.*",container="service"'
    deployment = f'{namespace},deployment="{DEPLOYMENT}"'
    restarts = f"increase(kube_pod_container_status_restarts_total{{{pods}}}[15m])"
    killed = f'kube_pod_container_status_last_terminated_reason{{{pods},reason="OOMKilled"}} == 1'
    progress = f'kube_deployment_status_condition{{{deployment},condition="Progressing",status="false"}} == 1'
    return [
        Alert(
            "QnaDown",
            "critical",
            "1m",
            f"kube_deployment_status_replicas_available{{{deployment}}} == 0",
            "No pod of the service is ready.",
        ),
        Alert("QnaRestarts", "warning", "0m", f"{restarts} > 2", "A pod restarted more than twice in 15 minutes."),
        Alert(
            "QnaOutOfMemory",
            "critical",
            "0m",
            f"({killed}) and on (namespace, pod, container) ({restarts} > 0)",
            "A pod was killed because it needed more memory than its limit.",
        ),
        Alert("QnaRolloutStuck", "critical", "1m", progress, "A rollout makes no progress."),
    ]


def _autoscaling(settings: Settings) -> list[Alert]:
    autoscaler = f'namespace="{settings.serving_namespace}",horizontalpodautoscaler="{AUTOSCALER}"'
    inactive = (
        f'kube_horizontalpodautoscaler_status_condition{{{autoscaler},condition="ScalingActive",status="false"}} == 1'
    )
    desired, maximum = (
        f"kube_horizontalpodautoscaler_{replicas}{{{autoscaler}}}"
        for replicas in ("status_desired_replicas", "spec_max_replicas")
    )
    return [
        Alert("QnaAutoscalerAtMaximum", "warning", "15m", f"{desired} >= {maximum}", "The HPA can add no more pods."),
        Alert("QnaAutoscalerBlind", "critical", "5m", inactive, "The HPA gets no metrics and does not scale."),
    ]


def _certificate(settings: Settings) -> Alert:
    """Return the alert on the registry's certificate, which needs a probe of it by the blackbox exporter."""
    registry = settings.registry.replace(".", r"\\.")
    expiry = f'probe_ssl_earliest_cert_expiry{{instance=~".*{registry}.*"}}'
    return Alert(
        "QnaRegistryCertificate",
        "warning",
        "1h",
        f"{expiry} - time() < 14 * 86400",
        "The certificate of the image registry expires within 14 days.",
    )
