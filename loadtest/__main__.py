"""`python -m loadtest`: puts load on the service and judges the result."""

from __future__ import annotations

import argparse
import sys

from bentoml.exceptions import BentoMLException

import loadtest.cluster.commands
import loadtest.servers.commands
from bento_service.errors import ArtifactError
from deploy import pipes
from deploy.errors import DeployError
from loadtest import commands

DESCRIPTION = """\
Puts load on the service and judges the result.

`run` puts load on any address, and `autoscale` on a cluster, which should scale up and back down.
`compare`, `versions`, `curve`, `fairness` and `memory` start the service on this machine and measure it.

Tables and verdicts go to stdout, progress goes to stderr, and files go to the output folder.
The exit code is 0 for success, 1 for an error, 2 for wrong usage and 3 for a verdict that is not passed."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 success, 1 error, 2 wrong usage, 3 a verdict that is not passed."""
    options = build_parser().parse_args(arguments)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        passed = options.handler(options)
    except BrokenPipeError:
        raise  # `pipes` ends the program when its output is no longer read
    except (ArtifactError, BentoMLException, DeployError, OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0 if passed is None or passed else 3


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `handler` of its result runs the command that was chosen."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest",
        description=DESCRIPTION,
        epilog="Each command describes its options: python -m loadtest run --help",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(required=True, metavar="command")
    commands.add_run(subparsers)
    loadtest.cluster.commands.add_autoscale(subparsers)
    loadtest.servers.commands.add_all(subparsers)
    return parser


if __name__ == "__main__":
    sys.exit(pipes.run(main))
