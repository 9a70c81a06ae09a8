"""What the preflight says: a line a check, with its remedy."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How a check went. error: a deployment would fail; warning: it works, or may, but not as one might think."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """One line of the report. remedy: what to do; "" when nothing is."""

    check: str
    level: Level
    message: str
    remedy: str = ""


def ok(message: str) -> Finding:
    """Say that a check went well. The name of the check is added to all of these later."""
    return Finding("", Level.OK, message)


def warning(message: str, remedy: str) -> Finding:
    """Say what works, but not as one might think."""
    return Finding("", Level.WARNING, message, remedy)


def error(message: str, remedy: str) -> Finding:
    """Say what would make a deployment fail."""
    return Finding("", Level.ERROR, message, remedy)


def table(findings: list[Finding]) -> str:
    """Lay the findings out for a person."""
    width = max(len(finding.check) for finding in findings)
    return "\n".join(
        f"{finding.level:7}  {finding.check:{width}}  {finding.message}"
        + (f"\n{'':7}  {'':{width}}  -> {finding.remedy}" if finding.remedy else "")
        for finding in findings
    )
