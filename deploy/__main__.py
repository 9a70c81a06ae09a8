"""`python -m deploy`: from settings to running pods. Results on stdout; progress, and what went wrong, on stderr."""

from __future__ import annotations

import argparse
import itertools
import json
import os
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
5 a Job failed, 6 a rollout failed, 7 the preflight found an error. What `delete` leaves to an administrator is no
failure. KUBECONFIG names the cluster."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options, _settings(options))
    except BrokenPipeError:
        raise  # nobody reads the output any more
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy", description=__doc__, epilog=EPILOG)
    commands = parser.add_subparsers(required=True, metavar="command")

    rendering = _command(commands, "render", _render, "all manifests, for `kubectl apply -f` or a review")
    rendering.add_argument("--folder", type=Path, help="write a file a concern here, instead of all to stdout")
    rendering.add_argument("--runs", action="store_true", help="to stdout: the Jobs of the pipeline, not what stands")

    _command(commands, "preflight", _preflight, "check the cluster before anything is applied")

    text = f"give both namespaces the registry's Secret: that of {credentials.FILE}, or of the credentials known here"
    _command(commands, "secret", _secret, text)

    building = _command(commands, "build", _build, "build an image inside the cluster and push it; prints its digest")
    building.add_argument("image", choices=["training", "serving"], nargs="?", default="serving", help="[%(default)s]")
    building.add_argument(
        "--if-changed", action="store_true", help="training: of what is checked out, unless its image is there already"
    )
    _command(commands, "train", _train, "train in the cluster, if anything has changed; prints the model's tag")
    _command(commands, "package", _package, "make a Bento of model and service in the cluster; prints its tag")
    _command(commands, "verify", _verify, "let the pushed image prove its model; prints what it says of it")

    applying = _command(commands, "apply", _apply, "roll out by digest, wait, ask; on failure back to what passed")
    applying.add_argument(
        "--dry-run",
        choices=["client", "server"],
        help="change nothing: client prints what would be applied, server lets the cluster check it",
    )
    applying.add_argument("--force-conflicts", action="store_true", help="take over fields that others have set")
    _command(commands, "rollback", _rollback, "go back to the last revision that passed before this one")
    _command(commands, "load", _load, "let Locust ask the service from inside the cluster, and follow it")
    _command(commands, "status", _status, "model, image, replicas, autoscaler and last events")

    text = "take everything off but the trained models, and wait; what only an administrator may delete stays"
    deleting = _command(commands, "delete", _delete, text)
    deleting.add_argument("--yes", action="store_true", help="do not ask first")
    deleting.add_argument("--purge", action="store_true", help="the claim and the volume too, but no files of a node")
    deleting.add_argument("--dry-run", action="store_true", help="only print what would be deleted")
    return parser


def _command(commands: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    """Add a command that takes all settings."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, epilog=EPILOG)
    parser.set_defaults(command=function)
    parser.add_argument("--output", choices=["text", "json"], default="text", help="form of the result [%(default)s]")
    parser.add_argument("--result", type=Path, metavar="FILE", help="write the result here too")
    parser.add_argument("--config", type=Path, help="YAML file of settings; environment and flags win over it")
    group = parser.add_argument_group("settings (variables and defaults in brackets)")
    for setting, field in Settings.model_fields.items():
        default = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
        many: dict[str, Any] = {"nargs": "*"} if isinstance(field.default, tuple) else {}
        variables = " ".join(filter(None, (ESTABLISHED.get(setting), settings.variable(setting))))
        group.add_argument(
            f"--{setting.replace('_', '-')}",
            dest=f"set_{setting}",
            metavar=setting.upper(),
            help=f"{field.description} [{variables}] [{default}]",
            **many,
        )
    return parser


def _settings(options: argparse.Namespace) -> Settings:
    prefix = "set_"
    flags = {
        name.removeprefix(prefix): value
        for name, value in vars(options).items()
        if name.startswith(prefix) and value is not None
    }
    return settings.load(options.config, os.environ, flags)


def _connect(chosen: Settings) -> Cluster:
    """Connect, to wait for an API server that goes away for a while as long as a rollout may take."""
    return Cluster.connect(chosen.kube_context, patience_s=chosen.rollout_deadline_s, report=_report)


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print(options: argparse.Namespace, text: str, result: Any) -> None:
    """Print a result as it was asked for, and keep it where it was asked for."""
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
            cluster.apply(secret, force=True)  # without a look at what was there
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
    """Name the image by its digest, which the registry knows unless it is set."""
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
        done = apply.apply(cluster, objects, _report, dry_run=dry, force=options.force_conflicts)
        report["applied"] = [entry._asdict() for entry in done]
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
        done = removal.remove(cluster, objects, _report)
    if options.purge and chosen.storage_class is None:
        _report(f"the trained models are still in {chosen.storage_path} of the node that trained; remove them there")
    left = f", {len(done.left)} left for an administrator" if done.left else ""
    _print(options, f"{len(done.deleted)} objects deleted{left}", {"deleted": len(done.deleted), "left": done.left})


def _confirm(cluster: Cluster, chosen: Settings, objects: list[dict[str, Any]], *, purge: bool) -> None:
    """Ask whoever sits at the terminal. Raises DeployError for any answer but yes, and where nobody sits."""
    models = ", with the claim and the volume of the trained models" if purge else ""
    places = f"{chosen.serving_namespace} and {chosen.training_namespace}"
    _report(f"On {cluster.host}, this deletes {len(objects)} objects of {places}{models}")
    if not sys.stdin.isatty() or input("Type yes: ") != "yes":
        raise DeployError("nothing was deleted; give --yes to delete without being asked")


if __name__ == "__main__":
    sys.exit(pipes.run(main))
