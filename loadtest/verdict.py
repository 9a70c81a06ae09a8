"""Whether the autoscaler did its work: pure, from samples alone."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from deploy import autoscaling
from loadtest.watch import Sample

SETTLE, BASELINE, RAMP, HOLD, SCALED, COOL = "settle", "baseline", "ramp", "hold", "scaled", "cool down"
"""The stages, in order."""
FAIR_SHARE = 0.5
"""What each pod has to get at least of an equal share."""


@dataclass(frozen=True)
class Limits:
    """What is expected. replicas: under load, None for the HPA's maximum; p95_ms: while scaled."""

    replicas: int | None = None
    failures: int = 0
    p95_ms: float = 2_000


@dataclass(frozen=True)
class Check:
    """One part of the verdict. why: what explains it, where something does."""

    name: str
    observed: str
    expected: str
    passed: bool
    why: str = ""


def judge(samples: Sequence[Sample], limits: Limits, request_m: float) -> list[Check]:
    """Return the checks. request_m: CPU that a pod requests (millicores)."""
    scaling = [taken for taken in samples if taken.autoscaler is not None]
    if not scaling:
        return [Check("watched", "no sample of the HPA", "one a second", passed=False)]
    first = scaling[0].autoscaler
    if first is None:
        raise AssertionError("filtered above")
    wanted = first.maximum if limits.replicas is None else limits.replicas
    under_load = [taken for taken in scaling if taken.stage not in (SETTLE, BASELINE)]
    desired = [taken.autoscaler.desired for taken in under_load if taken.autoscaler is not None]
    loaded = [len(taken.pods) for taken in under_load if taken.stage != COOL]
    unknown = sum(t.autoscaler is not None and t.autoscaler.cpu_percent is None for t in under_load)
    most = max(desired, default=first.desired)
    p95 = [taken.p95_ms for taken in samples if taken.stage == SCALED and taken.p95_ms is not None]
    middle = statistics.median(p95) if p95 else float("nan")
    failures = samples[-1].failures
    return [
        _begun(scaling, first.minimum),
        Check(
            "scaled up",
            f"{most} replicas wanted",
            f"more than {first.minimum}",
            most > first.minimum,
            "" if most > first.minimum else _why_not_up(scaling),
        ),
        Check(
            "reached the expected replicas in time",
            f"{max(loaded, default=0)} ready",
            f"{wanted} ready",
            max(loaded, default=0) >= wanted,
            "" if max(loaded, default=0) >= wanted else _why_not_there(scaling, most, wanted),
        ),
        _back(scaling, first.minimum, request_m),
        Check("failures", str(failures), f"at most {limits.failures}", failures <= limits.failures),
        Check("p95 while scaled", f"{middle:.0f} ms", f"at most {limits.p95_ms:.0f} ms", middle <= limits.p95_ms),
        _share(shares(samples)),
        Check("the HPA could read its metric", f"{unknown} samples unknown", "0", unknown == 0),
    ]


def shares(samples: Sequence[Sample]) -> dict[str, float]:
    """Return how many requests each pod answered in the stage `scaled`, of those that were there all the time."""
    scaled = [taken.pods for taken in samples if taken.stage == SCALED and taken.pods]
    if not scaled:
        return {}
    first, last = scaled[0], scaled[-1]
    both = [(name, first[name].answered, last[name].answered) for name in first if name in last]
    return {name: after - before for name, before, after in both if before is not None and after is not None}


def _begun(scaling: Sequence[Sample], minimum: int) -> Check:
    """Check that it was small before the load: what is up already has not been seen to scale."""
    before = [len(taken.pods) for taken in scaling if taken.stage in (SETTLE, BASELINE)]
    replicas = before[-1] if before else 0
    why = "" if replicas == minimum else "something else puts load on it, or it needs more time to come down"
    return Check("began at the minimum", f"{replicas} ready", f"{minimum} ready", replicas == minimum, why)


def _back(scaling: Sequence[Sample], minimum: int, request_m: float) -> Check:
    last = scaling[-1]
    replicas = len(last.pods)
    passed = replicas == minimum and last.autoscaler is not None and last.autoscaler.desired == minimum
    why = "" if passed else _why_not_back(last, minimum, request_m)
    return Check("back to the minimum", f"{replicas} ready", f"{minimum} ready", passed, why)


def _share(shares: dict[str, float]) -> Check:
    """Compare each pod with an equal share of what all answered."""
    total = sum(shares.values())
    if not total:
        return Check(
            "each pod got its share", "no request was counted", f"{FAIR_SHARE:.0%} of an equal one", passed=False
        )
    least = min(shares.values()) / (total / len(shares))
    return Check(
        "each pod got its share",
        f"{least:.0%} of an equal one, of {len(shares)} pods",
        f"at least {FAIR_SHARE:.0%}",
        least >= FAIR_SHARE,
        "" if least >= FAIR_SHARE else "connections that are kept pin their load to old pods",
    )


def _why_not_there(scaling: Sequence[Sample], most: int, wanted: int) -> str:
    if most >= wanted:
        return "pods may not fit on the nodes: see `python -m deploy preflight`"
    return f"the HPA wanted {most} at most: {_why_not_up(scaling)}"


def _why_not_up(scaling: Sequence[Sample]) -> str:
    percent = [t.autoscaler.cpu_percent for t in scaling if t.autoscaler is not None and t.autoscaler.cpu_percent]
    if not percent:
        return "the HPA read no CPU at all, since the metrics API does not answer: install metrics-server"
    return f"CPU rose to {max(percent)} % of the request at most: ask with more users"


def _why_not_back(last: Sample, minimum: int, request_m: float) -> str:
    """Say it by the HPA's arithmetic: n replicas stay while ceil(n x used / target) is n."""
    if last.autoscaler is None:
        return ""
    used = [pod.millicores for pod in last.pods.values() if pod.millicores is not None]
    if not used:
        return "no CPU of an idle pod is known"
    idle = statistics.mean(used)
    target = request_m * last.autoscaler.target_percent / 100
    most = autoscaling.idle_limit(target, minimum)
    if idle > most:
        return (
            f"an idle pod uses {idle:.1f}m; {minimum} replicas are reached below {most:.1f}m ({target:.1f}m x "
            f"{minimum}/{minimum + 1}): raise the request or the HPA's target"
        )
    return f"an idle pod uses {idle:.1f}m, which is below {most:.1f}m: wait longer, the HPA's window is 5 minutes"
