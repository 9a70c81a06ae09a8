"""`python -m bento_service`: what a container runs. Serves a Bento as one process, or verifies it.

`bentoml serve` is two processes: one that loads the service to supervise it, and a worker that loads it again. In a
container nobody replaces a worker that died, so all that the first one adds is memory and a later first answer; a
process that is all by itself ends the container when it dies.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from bentoml.exceptions import BentoMLException

from bento_service import pipes
from bento_service.errors import ServiceError

EPILOG = """environment: BENTO_PATH, BENTOML_HOST and BENTOML_PORT are the defaults of the flags, and the variables of
the service apply. exit codes: 0 stopped or verified, 1 failure, 2 usage, 3 the service did not start"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except BrokenPipeError:
        raise  # nobody reads the output any more
    except (BentoMLException, ServiceError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bento_service", description=__doc__, epilog=EPILOG)
    folder = os.environ.get("BENTO_PATH", ".")
    parser.add_argument("--bento", default=folder, help="folder of a Bento, or of bentofile.yaml [%(default)s]")
    commands = parser.add_subparsers(required=True, metavar="command")
    serve = commands.add_parser("serve", help="answer over HTTP until SIGTERM; requests in flight are answered first")
    serve.set_defaults(command=_serve)
    every_address = "0.0.0.0"  # noqa: S104  # a container's port is closed unless it is published
    serve.add_argument("--host", default=os.environ.get("BENTOML_HOST", every_address), help="address [%(default)s]")
    serve.add_argument("--port", type=int, default=os.environ.get("BENTOML_PORT", "5000"), help="[%(default)s]")
    verify = commands.add_parser("verify", help="check every file of the model, answer a question, print its figures")
    verify.set_defaults(command=_verify)
    verify.add_argument("--report", type=Path, metavar="FILE", help="write the JSON here too")
    return parser


def _serve(options: argparse.Namespace) -> None:
    # The first process of a container is deaf to signals that it has no handler for; uvicorn sets its own once it runs.
    signal.signal(signal.SIGTERM, _stop)
    from _bentoml_impl.worker.service import main as worker

    _resolve(options.bento)  # what is wrong with it is said before a port is taken
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        listener = socket.create_server((options.host, options.port), family=family)
    except OSError as error:
        raise OSError(f"{options.host}:{options.port} cannot be listened on: {error.strerror}") from error
    # BentoML's own place for this is in BENTOML_HOME, and emptied by every server that starts there.
    with tempfile.TemporaryDirectory(prefix="qna-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        worker([options.bento, "--fd", str(listener.detach()), "--worker-id", "1"])


def _stop(_signal: int, _frame: Any) -> NoReturn:
    sys.exit(0)


def _resolve(bento: str) -> tuple[str | None, Any]:
    """Return the tag of the Bento, if it is one, and its stored model, verified."""
    from _bentoml_impl.loader import load

    service: Any = load(bento)
    return None if service.bento is None else str(service.bento.tag), service.inner.model.resolve()


def _verify(options: argparse.Namespace) -> None:
    from bento_service import artifact
    from bento_service.schema import EXAMPLE_REQUEST, AnswerRequest

    bento, model = _resolve(options.bento)
    stored = artifact.load(Path(model.path))
    request = AnswerRequest.model_validate(EXAMPLE_REQUEST)
    answer = request.respond(stored.reader().answer_all(request.to_queries()))
    origin = {"bento": bento, "model": str(model.tag), "files": len(artifact.FILES)}
    measured = {"metrics": stored.metrics.get("served", {}).get("overall", {})}
    report = json.dumps(origin | measured | answer.model_dump(exclude_none=True))
    print(report)
    if options.report is not None:
        options.report.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(pipes.run(main))
