"""Build, train and deploy the service on Kubernetes. Results go to stdout, progress and errors to stderr."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path
from typing import Any

from deploy import apply, credentials, pipes, preflight, registry, removal, render, settings, status
from deploy.cluster import Cluster
from deploy.errors import DeployError, NotReady
from deploy.findings import Level, table
from deploy.kinds import describe
from deploy.pipeline import Pipeline
from deploy.rollout import Rollout
from deploy.settings import ESTABLISHED, Settings

EPILOG = """exit codes: 0 done, 1 failure, 2 settings or usage, 3 cluster or registry not reachable, 4 refused by it,
5 a Job failed, 6 a rollout failed, 7 the preflight found an error. The environment variable KUBECONFIG selects the
cluster."""
_EXAMPLES = {
    "render": "--folder build/manifests",
    "preflight": "--max-replicas 4",
    "build": "training --if-changed",
    "train": "--train-arguments=--epochs=3",
    "apply": "--dry-run server",
    "status": "--output json",
    "delete": "--dry-run",
}
"""What follows a command's name in the example of its help."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = build_parser().parse_args(arguments)
    try:
        options.command(options, _settings(options))
    except BrokenPipeError:
        raise  # the reader of the output has gone
    except DeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return DeployError.exit_code
    except KeyboardInterrupt:
        print("interrupted; what was started on the cluster goes on, and `status` shows it", file=sys.stderr)
        return 130
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `command` of its result runs the one that was chosen."""
    parser = argparse.ArgumentParser(prog="python -m deploy", description=__doc__, epilog=EPILOG)
    commands = parser.add_subparsers(required=True, metavar="command")

    rendering = _command(commands, "render", _render, "print all manifests, for `kubectl apply -f` or a review")
    rendering.add_argument(
        "--folder", type=Path, help="write one file for each part into this folder instead of stdout"
    )
    rendering.add_argument(
        "--runs", action="store_true", help="print the Jobs of the pipeline instead of the deployed objects"
    )

    _command(commands, "preflight", _preflight, "check the cluster before anything is applied")

    text = f"create the registry's Secret in both namespaces, from the file {credentials.FILE} or from `docker login`"
    _command(commands, "secret", _secret, text)

    building = _command(commands, "build", _build, "build an image in the cluster and push it; prints its digest")
    building.add_argument("image", choices=["training", "serving"], nargs="?", default="serving", help="[%(default)s]")
    building.add_argument(
        "--if-changed",
        action="store_true",
        help="training: build the checked out commit, unless the registry has its image",
    )
    _command(commands, "train", _train, "train in the cluster if code or data has changed; prints the model's tag")
    _command(commands, "package", _package, "package model and service as a Bento in the cluster; prints its tag")
    _command(commands, "verify", _verify, "check the model in the pushed image; prints a report")

    applying = _command(commands, "apply", _apply, "roll out by digest and check an answer; roll back on failure")
    applying.add_argument(
        "--dry-run",
        choices=["client", "server"],
        help="change nothing: client prints the objects, server validates them on the cluster",
    )
    applying.add_argument("--force-conflicts", action="store_true", help="take over fields that other managers own")
    _command(commands, "rollback", _rollback, "roll back to the previous revision that passed")
    _command(commands, "load", _load, "run the load test in the cluster and follow it")
    _command(commands, "status", _status, "print model, image, replicas, autoscaler and last events")

    text = "delete all objects but the trained models and those that only an administrator may delete"
    deleting = _command(commands, "delete", _delete, text)
    deleting.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    deleting.add_argument(
        "--purge", action="store_true", help="delete the claim and the volume too, but no files on a node"
    )
    deleting.add_argument("--dry-run", action="store_true", help="only print what would be deleted")
    return parser


def _command(commands: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    """Add a command that takes all settings."""
    example = f"Example:\n  python -m deploy {name} {_EXAMPLES.get(name, '')}".rstrip()
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"{example}\n\n{EPILOG}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=function)
    parser.add_argument("--output", choices=["text", "json"], default="text", help="format of the result [%(default)s]")
    parser.add_argument("--result", type=Path, metavar="FILE", help="also write the result to this file")
    parser.add_argument("--config", type=Path, help="YAML file of settings; environment and flags take precedence")
    group = parser.add_argument_group("settings (variables and defaults in brackets)")
    for setting, field in Settings.model_fields.items():
        default = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
        many: dict[str, Any] = {"nargs": "*"} if isinstance(field.default, tuple) else {}
        variables = " ".join(filter(None, (ESTABLISHED.get(setting), settings.variable(setting))))
        group.add_argument(
            f"--{setting.replace('_', '-')}",
            default=argparse.SUPPRESS,
            metavar=setting.upper(),
            help=f"{field.description} [{variables}] [{default}]",
            **many,
        )
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    flags = {name: value for name, value in vars(options).items() if name in Settings.model_fields}
    return settings.load(options.config, flags)


def _connect(chosen: Settings) -> Cluster:
    """Connect with patience: an API server that stops answering is waited for as long as a rollout may take."""
    return Cluster.connect(chosen.kube_context, patience_s=chosen.rollout_deadline_s, report=_report)


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print(options: argparse.Namespace, text: str, result: Any) -> None:
    """Print a result in the chosen format, and write it to --result."""
    printed = json.dumps(result, indent=2) if options.output == "json" else text
    print(printed, flush=True)
    if options.result is not None:
        options.result.parent.mkdir(parents=True, exist_ok=True)
        options.result.write_text(f"{printed}\n", encoding="utf-8")


def _render(options: argparse.Namespace, chosen: Settings) -> None:
    files = render.runs(chosen) if options.runs else render.manifests(chosen)
    if options.folder is not None:
        paths = [str(path) for path in render.write(chosen, options.folder)]
        _print(options, "\n".join(paths), paths)
    elif options.output == "json":
        _print(options, "", {"apiVersion": "v1", "kind": "List", "items": [*itertools.chain(*files.values())]})
    else:
        text = "".join(render.text(objects) for objects in files.values())
        _print(options, text.removesuffix("\n"), None)


def _preflight(options: argparse.Namespace, chosen: Settings) -> None:
    with Cluster.connect(chosen.kube_context) as cluster:
        findings = preflight.preflight(cluster, chosen)
    _print(options, table(findings), [finding._asdict() for finding in findings])
    errors = [finding.check for finding in findings if finding.level is Level.ERROR]
    if errors:
        raise NotReady(f"the cluster is not ready: {', '.join(dict.fromkeys(errors))}")


def _secret(options: argparse.Namespace, chosen: Settings) -> None:
    manifest = credentials.secrets(chosen)
    with Cluster.connect(chosen.kube_context) as cluster:
        apply.apply(cluster, render.objects(chosen, "namespaces"), lambda _: None)
        for secret in manifest:
            cluster.apply(secret, force=True)  # overwrites without reading
    names = [describe(secret) for secret in manifest]
    _print(options, "\n".join(names) or "none is used", {"secrets": names})


def _train(options: argparse.Namespace, chosen: Settings) -> None:
    with _connect(chosen) as cluster:
        model = Pipeline(cluster, chosen, _report).train()
    _print(options, model, {"model": model})


def _package(options: argparse.Namespace, chosen: Settings) -> None:
    with _connect(chosen) as cluster:
        bento = Pipeline(cluster, chosen, _report).package()
    _print(options, bento, {"bento": bento})


def _build(options: argparse.Namespace, chosen: Settings) -> None:
    with _connect(chosen) as cluster:
        pipeline = Pipeline(cluster, chosen, _report)
        if options.image == "training":
            built = pipeline.training_image(if_changed=options.if_changed)
        else:
            built = pipeline.serving_image()
    _print(options, built.digest, built._asdict())


def _verify(options: argparse.Namespace, chosen: Settings) -> None:
    with _connect(chosen) as cluster:
        report = Pipeline(cluster, _pinned(chosen), _report).verify()
    _print(options, status.verified(report), report)


def _pinned(chosen: Settings) -> Settings:
    """Return settings with the digest of the image, read from the registry unless it is set."""
    if chosen.digest is not None or not chosen.registry_check:
        return chosen
    return chosen.model_copy(update={"digest": registry.digest(chosen, chosen.serving_image, chosen.tag)})


def _apply(options: argparse.Namespace, chosen: Settings) -> None:
    if options.dry_run == "client":
        objects = render.objects(chosen)
        _print(options, "\n".join(map(describe, objects)), objects)
        return
    chosen = _pinned(chosen)
    objects = render.objects(chosen)
    dry = options.dry_run is not None
    report: dict[str, Any] = {"image": chosen.serving_reference}
    with _connect(chosen) as cluster:
        applied = apply.apply(cluster, objects, _report, dry_run=dry, force=options.force_conflicts)
        report["applied"] = [entry._asdict() for entry in applied]
        if not dry:
            report["answer"] = Rollout(cluster, chosen, _report).finish()
    _print(options, chosen.serving_reference, report)


def _rollback(options: argparse.Namespace, chosen: Settings) -> None:
    with _connect(chosen) as cluster:
        image = Rollout(cluster, chosen, _report).roll_back()
    _print(options, image, {"image": image})


def _load(options: argparse.Namespace, chosen: Settings) -> None:
    with _connect(chosen) as cluster:
        Pipeline(cluster, chosen, _report).load()
    _print(options, "every answer was right", {"shape": chosen.load_shape})


def _status(options: argparse.Namespace, chosen: Settings) -> None:
    with Cluster.connect(chosen.kube_context) as cluster:
        state = status.status(cluster, chosen)
    _print(options, status.table(state), state)


def _delete(options: argparse.Namespace, chosen: Settings) -> None:
    objects = removal.removed(chosen, purge=options.purge)
    if options.dry_run:
        _print(options, "\n".join(map(describe, objects)), [describe(manifest) for manifest in objects])
        return
    with _connect(chosen) as cluster:
        if not options.yes:
            _confirm(cluster, chosen, objects, purge=options.purge)
        removed = removal.remove(cluster, objects, _report)
    if options.purge and chosen.storage_class is None:
        _report(f"the trained models are still in {chosen.storage_path} of the node that trained; remove them there")
    left = f", {len(removed.left)} left for an administrator" if removed.left else ""
    _print(
        options,
        f"{len(removed.deleted)} objects deleted{left}",
        {"deleted": len(removed.deleted), "left": removed.left},
    )


def _confirm(cluster: Cluster, chosen: Settings, objects: list[dict[str, Any]], *, purge: bool) -> None:
    """Ask for confirmation at the terminal. Raises DeployError without a terminal and for any answer but yes."""
    models = ", with the claim and the volume of the trained models" if purge else ""
    places = f"{chosen.serving_namespace} and {chosen.training_namespace}"
    _report(f"On {cluster.host}, this deletes {len(objects)} objects of {places}{models}")
    if not sys.stdin.isatty() or input("Type yes: ") != "yes":
        raise DeployError("nothing was deleted; give --yes to delete without being asked")


if __name__ == "__main__":
    sys.exit(pipes.run(main))
