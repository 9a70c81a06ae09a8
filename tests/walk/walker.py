"""A newcomer's machine: a fresh clone, a new home and a new environment, in which commands are typed."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from loadtest import processes
from tests.commands import ROOT
from tests.walk.plan import Outcome, Plan

KEPT = re.compile(
    r"PATH|LANG|LC_\w+|PIP_\w+|PYENV_\w+|(?i:https?|no|all)_proxy|\w*(CA_BUNDLE|CERT_FILE|CERT_DIR|CA_CERTS|CAINFO)\w*"
)
"""Variables that commands and the installation of packages need on the machine; everything else is left behind."""
COMMAND_S = 1200
SERVE_S = 1200
OWN_QUESTIONS = 200


@dataclass
class Walk:
    """The clone, its commands, and how long each took (s). folder: holds clone, home and logs."""

    folder: Path
    plan: Plan
    seconds: list[tuple[str, float]] = field(default_factory=list)
    ports: dict[int, int] = field(default_factory=dict)
    serving: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def clone(self) -> Path:
        """Its path has a space, as that of many a home has."""
        return self.folder / "the clone"

    @property
    def home(self) -> Path:
        """HOME, in which `make serve` keeps the model store."""
        return self.folder / "the home"

    def begin(self) -> None:
        """Clone HEAD, and write what a reader brings along: some 200 questions of their own, and a few to answer."""
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.clone)], check=True)
        self.home.mkdir()
        _own_questions(self.clone / "training/sample/train.json", self.clone / "mine.json")
        (self.clone / "questions.jsonl").write_text('{"question": "Who?", "context": "Ada wrote it."}\n' * 3)

    def keep(self, command: str) -> None:
        """Keep the state after a command, for `as_after`; files that are written anew do not change in it."""
        for path in (self.clone, self.home):
            subprocess.run(["cp", "--archive", "--link", str(path), f"{path} after {command}"], check=True)
        store = self.home.with_name(f"{self.home.name} after {command}") / "bentoml"
        shutil.rmtree(store)
        shutil.copytree(self.home / "bentoml", store, symlinks=True)

    def has_kept(self, command: str) -> bool:
        """Return whether `keep` was called for that command."""
        return self.home.with_name(f"{self.home.name} after {command}").exists()

    def as_after(self, command: str) -> None:
        """Go back to the state that `keep` kept."""
        self.end()
        for path in (self.clone, self.home):
            shutil.rmtree(path)
            subprocess.run(["cp", "--archive", "--link", f"{path} after {command}", str(path)], check=True)

    def type(self, command: str, outcome: Outcome | None = None, **variables: str) -> str:
        """Type a command and return what it printed. Raises AssertionError when its outcome is another."""
        expected = self.plan.outcomes.get(command, Outcome()) if outcome is None else outcome
        begun, started = time.time(), time.monotonic()
        done = subprocess.run(
            ["bash", "-c", self._filled(command)],
            cwd=self.clone,
            env=self._environment() | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=COMMAND_S,
        )
        self._note(command, time.monotonic() - started, variables)
        end = f"{command}\nended with {done.returncode}, and printed:\n{done.stdout[-6000:]}"
        assert done.returncode in expected.exit, end
        for text in expected.shows:
            assert text in done.stdout, f"{text!r} is missing; {end}"
        for name in expected.files:
            path = self.clone / name
            assert path.is_file() and path.stat().st_mtime >= begun - 1, f"{name} was not written; {end}"  # noqa: PT018
        return done.stdout

    def serve(self, command: str) -> None:
        """Type a command that serves, wait until it answers, and leave it running."""
        address = self.plan.servers[command]
        port = int(address.rpartition(":")[2].partition("/")[0])
        if _taken(port):
            self.ports[port] = processes.free_port()
        started = time.monotonic()
        log = self.folder / f"server-{len(self.seconds)}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                ["bash", "-c", self._filled(command)],
                cwd=self.clone,
                env=self._environment() | self._moved(port),
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.serving[command] = process
        _wait(self._filled(address), process, log)
        self._note(command, time.monotonic() - started, {})

    def end(self, command: str | None = None) -> None:
        """End a server that was typed, or all of them."""
        for name in [command] if command else list(self.serving):
            processes.stop(self.serving.pop(name))

    def stored(self) -> list[str]:
        """Versions of the model in the store."""
        folder = self.home / "bentoml/models/extractive-qa"
        return sorted(path.name for path in folder.iterdir() if path.is_dir())

    def table(self) -> str:
        """Lay out the commands with their seconds, in the order in which they were typed."""
        rows = [f"{seconds:8.1f}  {textwrap.shorten(command, 110)}" for command, seconds in self.seconds]
        return "\n".join([*rows, f"{sum(seconds for _, seconds in self.seconds):8.1f}  in all"])

    def _note(self, command: str, seconds: float, variables: dict[str, str]) -> None:
        shown = "".join(f" {name}={value!r}" for name, value in variables.items())
        self.seconds.append((command + shown, seconds))
        print(f"{seconds:8.1f} s  {command}{shown}", file=sys.stderr, flush=True)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name)}
        return {**kept, **_package_settings(), "HOME": str(self.home), "USER": getpass.getuser()}

    def _filled(self, command: str) -> str:
        """Put in what the page leaves to its reader, and ports for those that another program has taken."""
        words = command.split(" ")
        filled = " ".join(self.plan.fill.get(word, word) for word in words)
        for port, other in self.ports.items():
            filled = re.sub(rf"(localhost:|\bPORT=){port}\b", rf"\g<1>{other}", filled)
        return filled

    def _moved(self, port: int) -> dict[str, str]:
        if port not in self.ports:
            return {}
        return dict.fromkeys(("PORT", "BENTOML_PORT", "LOCUST_WEB_PORT"), str(self.ports[port]))


def _own_questions(sample: Path, mine: Path) -> None:
    """Write the first articles of a SQuAD JSON that hold so many questions."""
    content = json.loads(sample.read_text(encoding="utf-8"))
    articles, count = [], 0
    for article in content["data"]:
        if count >= OWN_QUESTIONS:
            break
        articles.append(article)
        count += sum(len(paragraph["qas"]) for paragraph in article["paragraphs"])
    mine.write_text(json.dumps(content | {"data": articles}), encoding="utf-8")


def _package_settings() -> dict[str, str]:
    """Where pip's settings and its cache are: a new home would hide them."""
    cache = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True, check=True)
    settings = {"PIP_CACHE_DIR": cache.stdout.strip()}
    own = [path for path in (Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf") if path.is_file()]
    if own and "PIP_CONFIG_FILE" not in os.environ:
        settings["PIP_CONFIG_FILE"] = str(own[0])
    return settings


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SERVE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(
                f"the server ended with {process.returncode}:\n{log.read_text(errors='replace')[-6000:]}"
            )
        with suppress(httpx.TransportError):
            if httpx.get(url, timeout=2).status_code == httpx.codes.OK:
                return
        time.sleep(0.2)
    raise AssertionError(f"{url} did not answer within {SERVE_S} s:\n{_end(log)}")


def _end(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-6000:]
