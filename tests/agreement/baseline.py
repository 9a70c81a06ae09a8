"""The removed pipeline, in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.commands import ROOT

PYTHON = ROOT / ".venv-baseline" / "bin" / "python"


class Baseline:
    """A process of transformers 4.57.6 that answers with its pipeline."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, checkpoint: Path, queries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what the pipeline says of each query, as loadtest/baseline/answers.py tells it."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps({"checkpoint": str(checkpoint), "queries": list(queries)}) + "\n")
        stdin.flush()
        line = stdout.readline()
        assert line, "the baseline ended; its errors are above"
        answers: list[dict[str, Any]] = json.loads(line)
        return answers


@contextmanager
def running() -> Iterator[Baseline]:
    """Run the baseline until the block ends."""
    assert PYTHON.is_file(), f"{PYTHON} is missing; `make agreement` makes it"
    with subprocess.Popen(
        [PYTHON, ROOT / "loadtest" / "baseline" / "answers.py"],
        env={**os.environ, "TRANSFORMERS_VERBOSITY": "error"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Baseline(process)
        assert process.stdin is not None
        process.stdin.close()
