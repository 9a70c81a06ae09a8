"""`python -m deploy`: render. Results on stdout, what went wrong on stderr."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from deploy import render, settings
from deploy.errors import DeployError
from deploy.settings import ESTABLISHED, Settings

EPILOG = "exit codes: 0 done, 1 failure, 2 settings or usage"


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except DeployError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return DeployError.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy", description=__doc__, epilog=EPILOG)
    commands = parser.add_subparsers(required=True, metavar="command")

    rendering = commands.add_parser("render", help="all manifests, for `kubectl apply -f` or a review")
    rendering.set_defaults(command=_render)
    rendering.add_argument("--folder", type=Path, help="write a file a concern here, instead of all to stdout")
    rendering.add_argument("--runs", action="store_true", help="to stdout: the Jobs of the pipeline, not what stands")
    _add_settings(rendering)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Give every setting a flag; one that is not named on the command line leaves file and environment alone."""
    parser.add_argument("--config", type=Path, help="YAML file of settings; environment and flags win over it")
    group = parser.add_argument_group("settings (variables and defaults in brackets)")
    for name, field in Settings.model_fields.items():
        default = " ".join(field.default) if isinstance(field.default, tuple) else field.default
        many: dict[str, Any] = {"nargs": "*"} if isinstance(field.default, tuple) else {}
        variables = " ".join(filter(None, (ESTABLISHED.get(name), settings.variable(name))))
        group.add_argument(
            f"--{name.replace('_', '-')}",
            dest=f"set_{name}",
            metavar=name.upper(),
            help=f"{field.description} [{variables}] [{default}]",
            **many,
        )


def _settings(options: argparse.Namespace) -> Settings:
    prefix = "set_"
    flags = {
        name.removeprefix(prefix): value
        for name, value in vars(options).items()
        if name.startswith(prefix) and value is not None
    }
    return settings.load(options.config, os.environ, flags)


def _render(options: argparse.Namespace) -> None:
    chosen = _settings(options)
    if options.folder is None:
        files = render.runs(chosen) if options.runs else render.manifests(chosen)
        print("".join(render.text(objects) for objects in files.values()), end="")
    else:
        for path in render.write(chosen, options.folder):
            print(path)


if __name__ == "__main__":
    sys.exit(main())
