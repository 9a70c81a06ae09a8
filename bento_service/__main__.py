"""Serve, verify and store models, and answer questions about files.

`serve` runs the service in one process. `bentoml serve` runs two: a supervisor and a worker. In a container, the
supervisor does not replace a worker that died, so it only adds memory and delays the first answer. If the only process
dies, the container ends and is restarted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import bentoml
from bentoml.exceptions import BentoMLException

from bento_service import pipes
from bento_service.errors import ServiceError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # argparse has no public name for it

EPILOG = """environment: BENTO_PATH, BENTOML_HOST and BENTOML_PORT are the defaults of the flags; the variables of the
service apply too. exit codes: 0 stopped, verified or answered, 1 failure, 2 usage, 3 the service did not start,
4 no answer, 130 interrupted"""
NO_ANSWER = 4


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = build_parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except BrokenPipeError:
        raise  # `pipes` ends the command, since its output is no longer read
    except KeyboardInterrupt:
        print("interrupted; start the same command again to go on", file=sys.stderr)
        return 130
    except (BentoMLException, ServiceError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return code


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `command` of its result runs the one that was chosen."""
    parser = argparse.ArgumentParser(prog="python -m bento_service", description=__doc__, epilog=EPILOG)
    folder = os.environ.get("BENTO_PATH", ".")
    parser.add_argument("--bento", default=folder, help="folder of a Bento, or of bentofile.yaml [%(default)s]")
    commands = parser.add_subparsers(required=True, metavar="command")
    serve = _add_command(
        commands, "serve", "answer over HTTP until SIGTERM; requests in flight are answered first", "--port 8080"
    )
    serve.set_defaults(command=_serve)
    every_address = "0.0.0.0"  # noqa: S104  # a container's port is closed unless it is published
    serve.add_argument("--host", default=os.environ.get("BENTOML_HOST", every_address), help="address [%(default)s]")
    serve.add_argument("--port", type=int, default=os.environ.get("BENTOML_PORT", "5000"), help="[%(default)s]")
    verify = _add_command(
        commands,
        "verify",
        "check every file of the model, answer a question, and print the model's figures",
        "--report verified.json",
    )
    verify.set_defaults(command=_verify)
    verify.add_argument("--report", type=Path, metavar="FILE", help="also write the JSON to this file")
    store = _add_command(
        commands,
        "store",
        "put a model's folder into the model store, unless it is there already; print its tag",
        "training/pretrained/stored",
    )
    store.set_defaults(command=_store)
    store.add_argument("folder", type=Path, metavar="FOLDER", help="graph, tokenizer, settings, figures and checksums")
    store.add_argument("--name", default="extractive-qa", help="name in the store [%(default)s]")
    _add_ask(commands)
    _add_answer(commands)
    openapi = _add_command(
        commands, "openapi", "print the OpenAPI document that /docs.json has", "--output openapi.json"
    )
    openapi.set_defaults(command=_openapi)
    openapi.add_argument("--output", type=Path, metavar="FILE", help="write it to this file instead of standard output")
    return parser


def _add_command(commands: Commands, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    """Add a command whose help is its summary and an example."""
    return commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"Example:\n  python -m bento_service {name} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_ask(commands: Commands) -> None:
    summary = "answer a question about a text file; print the answer with its confidence, place and sentence"
    ask = _add_command(commands, "ask", summary, "'Who built the ship?' notes.md")
    ask.set_defaults(command=_ask)
    ask.add_argument("question", help="what is asked")
    ask.add_argument("file", metavar="FILE", help="text in UTF-8; -: standard input")
    ask.add_argument(
        "--model", metavar="TAG", help="stored model [QNA_MODEL, else the model in production, else the newest]"
    )
    ask.add_argument("--always", action="store_true", help="answer even if the text probably has no answer")
    ask.add_argument("--json", action="store_true", help="one line of JSON; positions in code points")


def _add_answer(commands: Commands) -> None:
    summary = "answer a file of questions; the same command goes on after an interruption"
    answer = _add_command(commands, "answer", summary, "questions.jsonl --output answers.jsonl")
    answer.set_defaults(command=_answer)
    answer.add_argument(
        "file", type=Path, metavar="FILE", help="JSON lines, CSV or Parquet with the columns question and context"
    )
    answer.add_argument(
        "--output", type=Path, required=True, metavar="FILE", help="the same rows with answers, in the name's format"
    )
    answer.add_argument("--model", default="extractive-qa:latest", metavar="TAG", help="stored model [%(default)s]")
    answer.add_argument("--url", help="send the questions to the service at this address")
    answer.add_argument(
        "--in-flight",
        type=_count,
        default=16,
        metavar="N",
        help="number of requests that it gets at once [%(default)s]",
    )
    answer.add_argument(
        "--bad-rows",
        choices=("refuse", "skip"),
        default="refuse",
        help="rows that can't be answered: refuse stops before the first answer; skip reports them and writes an "
        "`error` instead of an answer [%(default)s]",
    )
    answer.add_argument("--allow-no-answer", action="store_true", help='let an answer be "" where there is none')
    answer.add_argument("--max-answer-length", type=_count, metavar="N", help="longest answer in tokens")
    answer.add_argument("--prefix", default="", help="begin the names of the added columns with this")
    answer.add_argument("--overwrite", action="store_true", help="replace the output")


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


def _serve(options: argparse.Namespace) -> int:
    # The first process of a container ignores signals without a handler; uvicorn sets its own handler later.
    signal.signal(signal.SIGTERM, _stop)
    # Private in BentoML 1.4: `bentoml serve` would add a process that outlives a worker that died.
    from _bentoml_impl.worker.service import main as worker

    _resolve(options.bento)  # an error in it is reported before the port is bound
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        listener = socket.create_server((options.host, options.port), family=family)
    except OSError as error:
        raise OSError(f"{options.host}:{options.port} cannot be listened on: {error.strerror}") from error
    # BentoML's own folder for this is in BENTOML_HOME. Every server that starts there empties it.
    with tempfile.TemporaryDirectory(prefix="qna-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        worker([options.bento, "--fd", str(listener.detach()), "--worker-id", "1"])
    return 0


def _stop(_signal: int, _frame: Any) -> NoReturn:
    sys.exit(0)


def _resolve(bento: str) -> tuple[str | None, Any]:
    """Return the tag of the Bento, if it is one, and its stored model, verified."""
    service: Any = bentoml.load(bento)
    return None if service.bento is None else str(service.bento.tag), service.inner.model.resolve()


def _answer(options: argparse.Namespace) -> int:
    from bento_service.bulk import engines, run
    from bento_service.bulk.tables import Table
    from bento_service.model_store import ServedModel, load_reader

    values = {"allow_no_answer": options.allow_no_answer or None, "max_answer_length": options.max_answer_length}
    request_options = {name: value for name, value in values.items() if value is not None}
    table, skip = Table(options.file), options.bad_rows == "skip"
    if options.url is not None:
        answered_by, answerer = options.url, partial(engines.remote, options.url, in_flight=options.in_flight)
    else:
        answerer = partial(engines.local, load_reader(options.model))
        stored = ServedModel(options.model).stored
        answered_by = options.model if stored is None else str(stored.tag)
    task = run.Task(table, options.output, answered_by, request_options, skip=skip, prefix=options.prefix)
    run.run(task, answerer, overwrite=options.overwrite)
    return 0


def _verify(options: argparse.Namespace) -> int:
    from bento_service import artifact
    from bento_service.schema import EXAMPLE_REQUEST, AnswerRequest

    bento, model = _resolve(options.bento)
    stored = artifact.load(Path(model.path))
    request = AnswerRequest.model_validate(EXAMPLE_REQUEST)
    answer = request.respond(stored.reader().answer_all(request.to_queries()))
    origin = {"bento": bento, "model": str(model.tag), "files": len(artifact.FILES)}
    measured = {"metrics": stored.metrics.get("served", {}).get("overall", {})}
    measured["memory_mb"] = artifact.needed_mb(Path(model.path))
    report = json.dumps(origin | measured | answer.model_dump(exclude_none=True))
    print(report)
    if options.report is not None:
        options.report.write_text(report, encoding="utf-8")
    return 0


def _store(options: argparse.Namespace) -> int:
    from bento_service import model_store

    print(model_store.add_once(options.folder, options.name))
    return 0


def _openapi(options: argparse.Namespace) -> int:
    from bento_service.service import ExtractiveQA

    service: Any = ExtractiveQA  # the decorator makes a service of the class
    document = json.dumps(service.openapi_spec.asdict(), indent=2)
    if options.output is None:
        print(document)
    else:
        options.output.write_text(f"{document}\n", encoding="utf-8")
    return 0


def _ask(options: argparse.Namespace) -> int:
    from bento_service import file_answer
    from bento_service.model_store import load_reader
    from bento_service.reading.reader import Query
    from bento_service.settings import ServiceSettings

    text = file_answer.read_text(options.file)
    reader = load_reader(options.model or ServiceSettings.from_environment().model or "extractive-qa:latest")
    query = Query(file_answer.check_question(options.question), text, allow_no_answer=not options.always)
    result = file_answer.FileAnswer(options.file, text, reader.answer(query)[0])
    print(result.json() if options.json else result.lines(colour=file_answer.has_colour(sys.stdout)))
    return 0 if result.answer.text else NO_ANSWER


if __name__ == "__main__":
    sys.exit(pipes.run(main))
