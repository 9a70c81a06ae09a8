"""Check the licences of the packages that ship: `python licences.py LICENCES.json LIST ...`, run by `make licences`.

LICENCES.json is what `pip-licenses --format json` prints. The lists name what ships; licences.toml says what is
allowed. Exit code: 0 all are, 1 some are not, and are named. Only the standard library is used.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RULES = Path(__file__).with_name("licences.toml")


def main(arguments: list[str]) -> int:
    """Print the licence of each package that ships, and what is wrong, and return the exit code."""
    listed, *lists = map(Path, arguments)
    shipped = {name for path in lists for name in names(path.read_text(encoding="utf-8"))}
    licences = {
        canonical(entry["Name"]): entry["License"]
        for entry in json.loads(listed.read_text(encoding="utf-8"))
        if canonical(entry["Name"]) in shipped
    }
    rules = tomllib.loads(RULES.read_text(encoding="utf-8"))
    for name, licence in sorted(licences.items()):
        print(f"{name:40} {licence}")
    violations = problems(licences, rules)
    print("".join(f"{line}\n" for line in violations), end="", file=sys.stderr)
    print(f"{len(licences)} packages, {len(violations)} problems, {len(rules['exceptions'])} exceptions ({RULES.name})")
    return 1 if violations else 0


def names(requirements: str) -> list[str]:
    """Return the packages that a list pins, by their canonical names."""
    return [canonical(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", requirements, re.MULTILINE)]


def canonical(name: str) -> str:
    """Return a package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def problems(licences: dict[str, str], rules: dict[str, Any]) -> list[str]:
    """Return a line for each package whose licence is not allowed, and for each exception that none needs."""
    allowed = {*rules["allowed"], *(name for names in rules["allowed"].values() for name in names)}
    lines = []
    for name, licence in sorted(licences.items()):
        exception = rules["exceptions"].get(name, {}).get("licence")
        if exception is not None and exception != licence:
            lines.append(f"{name}: its exception is for {exception}, and it is under {licence}; look at it again")
        elif exception is None and not permitted(licence, allowed):
            lines.append(f"{name}: {licence} is not allowed; replace it, or add an exception with its reason")
    idle = sorted(set(rules["exceptions"]) - set(licences))
    return [*lines, *(f"{name}: it does not ship; remove its exception" for name in idle)]


def permitted(licence: str, allowed: Iterable[str]) -> bool:
    """Return whether an SPDX expression, or a list of licences, is allowed: all joined by AND, one of those by OR."""
    if licence in allowed:
        return True
    every = re.split(r"; | AND ", licence)
    if len(every) > 1:
        return all(permitted(part.strip("()"), allowed) for part in every)
    choices = licence.split(" OR ")
    return len(choices) > 1 and any(permitted(part, allowed) for part in choices)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
