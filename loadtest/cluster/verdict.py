"""Judges from samples alone whether the autoscaler scaled the service up under load and back down after it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from deploy import autoscaling
from deploy.autoscaling import Autoscaler
from loadtest.criteria import Criterion, median_p95_ms
from loadtest.samples import Sample

SETTLE, BASELINE, RAMP, HOLD, SCALED, COOL = "settle", "baseline", "ramp", "hold", "scaled", "cool down"
"""The stages, in order."""
FAIR_SHARE = 0.5
"""Least share of an equal part of the requests that each pod should get."""


@dataclass(frozen=True)
class Limits:
    """What is expected of the service.

    replicas: at least, under load; None for the HPA's maximum. failures: at most. p95_ms: at most, the median over the
    stage `scaled`.
    """

    replicas: int | None = None
    failures: int = 0
    p95_ms: float = 2_000


def judge(samples: Sequence[Sample], limits: Limits, request_m: float) -> list[Criterion]:
    """Return the criteria of the verdict. request_m: the CPU that a pod requests (millicores)."""
    watched = [sample for sample in samples if sample.autoscaler is not None]
    autoscalers = _autoscalers(watched)
    if not autoscalers:
        return [Criterion("watched", "no sample of the HPA", "one a second", passed=False)]
    minimum, maximum = autoscalers[0].minimum, autoscalers[0].maximum
    under_load = [sample for sample in watched if sample.stage not in (SETTLE, BASELINE)]
    failures = samples[-1].failures
    p95_ms = median_p95_ms([sample for sample in samples if sample.stage == SCALED])
    unknown = sum(autoscaler.cpu_percent is None for autoscaler in _autoscalers(under_load))
    return [
        _began_at_minimum(watched, minimum),
        _scaled_up(watched, under_load, minimum),
        _reached(watched, under_load, maximum if limits.replicas is None else limits.replicas),
        _back_at_minimum(watched[-1], minimum, request_m),
        Criterion("failures", str(failures), f"at most {limits.failures}", failures <= limits.failures),
        Criterion("p95 while scaled", f"{p95_ms:.0f} ms", f"at most {limits.p95_ms:.0f} ms", p95_ms <= limits.p95_ms),
        _fair_share(shares(samples)),
        Criterion("the HPA could read its metric", f"{unknown} samples unknown", "0", unknown == 0),
    ]


def shares(samples: Sequence[Sample]) -> dict[str, float]:
    """Return how many requests each pod answered in the stage `scaled`; only pods that were ready throughout count."""
    scaled = [sample.pods for sample in samples if sample.stage == SCALED and sample.pods]
    if not scaled:
        return {}
    first, last = scaled[0], scaled[-1]
    counts = [(name, first[name].answered, last[name].answered) for name in first if name in last]
    return {name: after - before for name, before, after in counts if before is not None and after is not None}


def _autoscalers(samples: Sequence[Sample]) -> list[Autoscaler]:
    return [sample.autoscaler for sample in samples if sample.autoscaler is not None]


def _most_desired(samples: Sequence[Sample]) -> int:
    return max((autoscaler.desired for autoscaler in _autoscalers(samples)), default=0)


def _began_at_minimum(watched: Sequence[Sample], minimum: int) -> Criterion:
    """Check that the service was at its minimum before the load; otherwise the load may not be what scaled it up."""
    before = [len(sample.pods) for sample in watched if sample.stage in (SETTLE, BASELINE)]
    replicas = before[-1] if before else 0
    why = "" if replicas == minimum else "something else puts load on it, or it needs more time to come down"
    return Criterion("began at the minimum", f"{replicas} ready", f"{minimum} ready", replicas == minimum, why)


def _scaled_up(watched: Sequence[Sample], under_load: Sequence[Sample], minimum: int) -> Criterion:
    desired = _most_desired(under_load)
    passed = desired > minimum
    why = "" if passed else _why_not_up(watched)
    return Criterion("scaled up", f"{desired} replicas wanted", f"more than {minimum}", passed, why)


def _reached(watched: Sequence[Sample], under_load: Sequence[Sample], expected: int) -> Criterion:
    ready = max((len(sample.pods) for sample in under_load if sample.stage != COOL), default=0)
    passed = ready >= expected
    desired = _most_desired(under_load)
    if passed:
        why = ""
    elif desired >= expected:
        why = "pods may not fit on the nodes: see `python -m deploy preflight`"
    else:
        why = f"the HPA wanted {desired} at most: {_why_not_up(watched)}"
    return Criterion("reached the expected replicas in time", f"{ready} ready", f"{expected} ready", passed, why)


def _back_at_minimum(last: Sample, minimum: int, request_m: float) -> Criterion:
    replicas = len(last.pods)
    passed = replicas == minimum and last.autoscaler is not None and last.autoscaler.desired == minimum
    why = "" if passed else _why_not_back(last, minimum, request_m)
    return Criterion("back to the minimum", f"{replicas} ready", f"{minimum} ready", passed, why)


def _fair_share(shares: dict[str, float]) -> Criterion:
    """Compare the pod with the fewest requests with an equal share of all requests."""
    name = "each pod got its share"
    total = sum(shares.values())
    if not total:
        return Criterion(name, "no request was counted", f"{FAIR_SHARE:.0%} of an equal one", passed=False)
    least = min(shares.values()) / (total / len(shares))
    passed = least >= FAIR_SHARE
    observed = f"{least:.0%} of an equal one, of {len(shares)} pods"
    why = "" if passed else "connections that are kept pin their load to old pods"
    return Criterion(name, observed, f"at least {FAIR_SHARE:.0%}", passed, why)


def _why_not_up(watched: Sequence[Sample]) -> str:
    percent = [autoscaler.cpu_percent for autoscaler in _autoscalers(watched) if autoscaler.cpu_percent]
    if not percent:
        return "the HPA read no CPU at all, since the metrics API does not answer: install metrics-server"
    return f"CPU rose to {max(percent)} % of the request at most: ask with more users"


def _why_not_back(last: Sample, minimum: int, request_m: float) -> str:
    """Explain it by the HPA's arithmetic: n replicas stay while ceil(n x used / target) is n."""
    if last.autoscaler is None:
        return ""
    used = [pod.millicores for pod in last.pods.values() if pod.millicores is not None]
    if not used:
        return "no CPU of an idle pod is known"
    idle = statistics.mean(used)
    target = request_m * last.autoscaler.target_percent / 100
    limit = autoscaling.idle_limit(target, minimum)
    if idle > limit:
        return (
            f"an idle pod uses {idle:.1f}m; {minimum} replicas are reached below {limit:.1f}m ({target:.1f}m x "
            f"{minimum}/{minimum + 1}): raise the request or the HPA's target"
        )
    return f"an idle pod uses {idle:.1f}m, which is below {limit:.1f}m: wait longer, the HPA's window is 5 minutes"
