"""The HorizontalPodAutoscaler and the PodDisruptionBudget."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from deploy.objects.common import SERVING, metadata, selector
from deploy.objects.serving import DEPLOYMENT
from deploy.settings import Settings

AUTOSCALER, BUDGET = "qna-hpa", "qna-pdb"


def objects(settings: Settings) -> list[Any]:
    """Return the HPA and the PodDisruptionBudget."""
    return [_autoscaler(settings), _budget(settings)]


def _autoscaler(settings: Settings) -> client.V2HorizontalPodAutoscaler:
    """Scale on CPU. The behaviour is Kubernetes' default, set explicitly since clusters may differ.

    Scaling up is immediate, by the greater of 100 % and 4 pods each 15 s. Scaling down uses the highest recommendation
    of the last `scale_down_s` seconds.
    """
    cpu = client.V2ResourceMetricSource(
        name="cpu",
        target=client.V2MetricTarget(type="Utilization", average_utilization=settings.cpu_percent),
    )
    return client.V2HorizontalPodAutoscaler(
        api_version="autoscaling/v2",
        kind="HorizontalPodAutoscaler",
        metadata=metadata(AUTOSCALER, settings.serving_namespace, SERVING),
        spec=client.V2HorizontalPodAutoscalerSpec(
            scale_target_ref=client.V2CrossVersionObjectReference(
                api_version="apps/v1", kind="Deployment", name=DEPLOYMENT
            ),
            min_replicas=settings.min_replicas,
            max_replicas=settings.max_replicas,
            metrics=[client.V2MetricSpec(type="Resource", resource=cpu)],
            behavior=client.V2HorizontalPodAutoscalerBehavior(
                scale_up=_rules(0, Percent=100, Pods=4), scale_down=_rules(settings.scale_down_s, Percent=100)
            ),
        ),
    )


def _rules(window_s: int, **policies: int) -> client.V2HPAScalingRules:
    return client.V2HPAScalingRules(
        stabilization_window_seconds=window_s,
        select_policy="Max",
        policies=[
            client.V2HPAScalingPolicy(type=kind, value=value, period_seconds=15) for kind, value in policies.items()
        ],
    )


def _budget(settings: Settings) -> client.V1PodDisruptionBudget:
    return client.V1PodDisruptionBudget(
        api_version="policy/v1",
        kind="PodDisruptionBudget",
        metadata=metadata(BUDGET, settings.serving_namespace, SERVING),
        spec=client.V1PodDisruptionBudgetSpec(
            max_unavailable=1, selector=selector(SERVING), unhealthy_pod_eviction_policy="AlwaysAllow"
        ),
    )
