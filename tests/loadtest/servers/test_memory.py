"""The command `memory`, with a tiny model and a real server."""

import json
import os
import subprocess
import sys

from tests.commands import ROOT


def test_a_model_takes_no_more_than_is_said(tiny_store, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", "memory", "--questions", "8", "--output", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "BENTOML_HOME": str(tiny_store)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "memory.json").read_text())["models"]
    assert row["model"].startswith("extractive-qa:")
    assert row["ratio"] >= 1
    assert "expected/peak" in done.stdout
