"""Install the torch that a list of requirements pins: `python install_torch.py train.txt --build cpu --index-url URL`.

PyPI's torch for Linux needs gigabytes of CUDA. The build for the CPU is on torch's own index; where that is out of
reach, the configured package indexes are asked, and a line says so. Only the standard library is used.
"""

from __future__ import annotations

import argparse
import os
import re
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

PROBE_S = 5
"""An index that does not answer in this time is out of reach (s)."""


def main(arguments: list[str] | None = None) -> int:
    """Install torch into the environment whose Python runs this and return pip's exit code."""
    options = _parser().parse_args(arguments)
    pinned = pin(options.requirements)
    if options.build == "cpu" and reachable(options.index_url):
        return _pip("--index-url", options.index_url, pinned)
    if options.build == "cpu":
        line = f"{options.index_url} is out of reach: {pinned} comes from the configured package indexes"
        print(f"{line}, on Linux maybe with gigabytes of CUDA", file=sys.stderr)
        return _pip(pinned)
    return _pip("--force-reinstall", pinned)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requirements", type=Path)
    parser.add_argument("--build", choices=["cpu", "cuda"], default="cpu", help="cuda: that of the configured indexes")
    parser.add_argument("--index-url", required=True, help="of the builds for the CPU")
    return parser


def pin(requirements: Path) -> str:
    """Return torch's requirement with its version. Raises SystemExit when the list has none."""
    match = re.search(r"^torch==\S+", requirements.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise SystemExit(f"{requirements} pins no torch; a line torch==VERSION is expected")
    return match[0]


def reachable(index_url: str) -> bool:
    """Return whether an index answers, with the certificates and proxies that pip is told of."""
    authorities = os.environ.get("PIP_CERT") or os.environ.get("REQUESTS_CA_BUNDLE")
    try:
        context = ssl.create_default_context(cafile=authorities)
        with urllib.request.urlopen(f"{index_url.rstrip('/')}/torch/", timeout=PROBE_S, context=context):  # noqa: S310
            return True
    except (OSError, ValueError):  # urllib's errors are OSErrors
        return False


def _pip(*words: str) -> int:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", *words]
    return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
