"""Ask for the known vulnerabilities of all that lists pin: `python audit.py LIST ...`, run by `make audit`.

Exit code: 0 none is known, 1 pip-audit's table names some, 3 nothing is known, since no service of advisories answers.
PIP_AUDIT_VULNERABILITY_SERVICE chooses another one than PyPI's, such as osv.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

UNREACHABLE = 3
KNOWN = "jinja2==2.10"
"""It has advisories since 2019: an answer without any is none to rely on."""
AUDIT = (sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--disable-pip", "--timeout", "10")
"""The lists name every package and version already: pip has nothing to resolve."""


def main(lists: list[str]) -> int:
    """Audit the lists and return the exit code."""
    if not answers():
        print(
            "error: nothing was audited: the service of advisories cannot be reached, or knows none; run this where "
            "https://pypi.org/pypi can be reached, or set PIP_AUDIT_VULNERABILITY_SERVICE=osv",
            file=sys.stderr,
        )
        return UNREACHABLE
    words = [word for path in lists for word in ("--requirement", path)]
    return subprocess.run([*AUDIT, "--strict", "--require-hashes", *words]).returncode


def answers() -> bool:
    """Return whether the service knows the advisories of a release that has some."""
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder) / "known.txt"
        pinned.write_text(f"{KNOWN}\n", encoding="utf-8")
        command = [*AUDIT, "--no-deps", "--format", "json", "--requirement", str(pinned)]
        done = subprocess.run(command, capture_output=True, text=True)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return False
    return any(dependency.get("vulns") for dependency in report["dependencies"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
