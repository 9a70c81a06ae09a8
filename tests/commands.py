"""Runs the project's commands as a person does: in a process of their own, from the repository's root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def training_command(
    *words: str, home: Path, check: bool = True, timeout: float = 280
) -> subprocess.CompletedProcess[str]:
    """Run `python -m training` with its own model store and no hub; with `check`, fail with its log."""
    done = subprocess.run(
        [sys.executable, "-m", "training", *words],
        cwd=ROOT,
        env={**os.environ, "BENTOML_HOME": str(home), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if check and done.returncode:
        raise AssertionError(f"training {' '.join(words)} ended with {done.returncode}:\n{done.stderr[-4000:]}")
    return done
