"""The command `autoscale`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from loadtest import commands
from loadtest.cluster import autoscale, verdict

STAGE_OPTIONS = {
    "baseline": "Send the load of the base users for this many seconds before the ramp",
    "ramp": "Let the number of users rise for this many seconds",
    "hold": "Wait at most this many seconds under load until the replicas are ready",
    "scaled": "Go on for this many seconds with all replicas",
    "cool": "Wait at most this many seconds, before and after the load, until the service is at its minimum",
}


def add_autoscale(subparsers: Any) -> None:
    """Add the command `autoscale`."""
    parser = commands.add_command(
        subparsers,
        "autoscale",
        _autoscale,
        summary="Judge whether a cluster scales up under load and back down.",
        description=(
            "Puts load on the service of a cluster until the autoscaler's replicas are ready, stops the load,\n"
            "waits until the replicas are gone, and judges the run. It reads the cluster through KUBECONFIG."
        ),
        example="autoscale --users 20 --max-p95-ms 2000",
    )
    plan = autoscale.AutoscalePlan()
    parser.add_argument(
        "--url", help="Send the requests to this address, such as an Ingress (default: the service's port on a node)."
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="Read the deployment's settings from this file, as `deploy` does."
    )
    parser.add_argument(
        "--users", type=int, default=plan.users, help="Let the load rise to this many users (default: %(default)s)."
    )
    parser.add_argument(
        "--base-users",
        type=int,
        default=plan.base_users,
        metavar="USERS",
        help="Begin with this many users (default: %(default)s).",
    )
    for stage, text in STAGE_OPTIONS.items():
        default = getattr(plan, f"{stage}_s")
        parser.add_argument(
            f"--{stage}-s", type=float, default=default, metavar="SECONDS", help=f"{text} (default: %(default)s)."
        )
    _add_limits(parser)
    commands.add_workers(parser)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits = verdict.Limits()
    parser.add_argument(
        "--replicas",
        type=int,
        metavar="COUNT",
        help="Expect this many replicas under load (default: the HPA's maximum).",
    )
    parser.add_argument(
        "--max-failures",
        type=int,
        default=limits.failures,
        metavar="COUNT",
        help="Fail if more requests fail (default: %(default)s).",
    )
    parser.add_argument(
        "--max-p95-ms",
        type=float,
        default=limits.p95_ms,
        metavar="MS",
        help="Fail if the 95th percentile of the latency is greater with all replicas (default: %(default)s).",
    )


def _autoscale(options: argparse.Namespace) -> bool:
    # The Kubernetes client is needed for nothing else.
    from deploy import settings
    from deploy.cluster import Cluster
    from loadtest.cluster.watch import Watch

    deployed = settings.load(options.config, {})
    limits = verdict.Limits(options.replicas, options.max_failures, options.max_p95_ms)
    with Cluster.connect(deployed.kube_context) as cluster:
        watch = Watch(cluster, deployed.serving_namespace, deployed.port)
        url = options.url or watch.url()
        recording = autoscale.autoscale(
            url, watch, _plan(options), options.output, commands.show_progress, tuple(options.data)
        )
        criteria = verdict.judge(recording.samples, limits, watch.requested())
    facts = {
        "url": url,
        "seconds": recording.stage_s,
        "answered by each pod": verdict.shares(recording.samples),
        "errors": recording.errors,
    }
    return commands.conclude(options.output, "Autoscaling", recording.samples, criteria, facts)


def _plan(options: argparse.Namespace) -> autoscale.AutoscalePlan:
    return autoscale.AutoscalePlan(
        users=options.users,
        base_users=options.base_users,
        baseline_s=options.baseline_s,
        ramp_s=options.ramp_s,
        hold_s=options.hold_s,
        scaled_s=options.scaled_s,
        cool_s=options.cool_s,
        replicas=options.replicas,
        workers=options.workers,
    )
