"""Install torch, in a build whose hash is known: `python install_torch.py --build cpu --index-url URL`.

The build for the CPU is on torch's own index; where that is out of reach, the configured package indexes are asked for
it. PyPI's build, which needs gigabytes of CUDA on Linux, is what `--build cuda` installs, and what is left where no
index has the other one; a line says so. Only the standard library is used.
"""

from __future__ import annotations

import argparse
import os
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

CPU = Path(__file__).with_name("torch-cpu.txt")
"""torch alone: what it requires is in the list of the environment."""
CUDA = Path(__file__).with_name("torch-cuda.txt")
"""torch and what its build with CUDA requires."""
PROBE_S = 5
"""An index that does not answer in this time is out of reach (s)."""


def main(arguments: list[str] | None = None) -> int:
    """Install torch into the environment whose Python runs this and return pip's exit code."""
    options = _parser().parse_args(arguments)
    if options.build == "cuda":
        return _pip("-r", str(CUDA))
    if reachable(options.index_url):
        return _pip("--no-deps", "--index-url", options.index_url, "-r", str(CPU))
    if _pip("--no-deps", "-r", str(CPU), errors=subprocess.DEVNULL) == 0:
        return 0
    line = f"{options.index_url} is out of reach, and no configured package index has torch's build for the CPU"
    print(f"{line}: PyPI's is installed, on Linux with gigabytes of CUDA", file=sys.stderr)
    return _pip("-r", str(CUDA))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", choices=["cpu", "cuda"], default="cpu", help="cuda: PyPI's")
    parser.add_argument("--index-url", required=True, help="of the builds for the CPU")
    return parser


def reachable(index_url: str) -> bool:
    """Return whether an index answers, with the certificates and proxies that pip is told of."""
    authorities = os.environ.get("PIP_CERT") or os.environ.get("REQUESTS_CA_BUNDLE")
    try:
        context = ssl.create_default_context(cafile=authorities)
        with urllib.request.urlopen(f"{index_url.rstrip('/')}/torch/", timeout=PROBE_S, context=context):  # noqa: S310
            return True
    except (OSError, ValueError):  # urllib's errors are OSErrors
        return False


def _pip(*words: str, errors: int | None = None) -> int:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    return subprocess.run([*command, *words], stderr=errors).returncode


if __name__ == "__main__":
    sys.exit(main())
