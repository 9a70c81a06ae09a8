"""The findings of the preflight, each with its remedy."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from tabulate import tabulate


class Level(StrEnum):
    """The level of a finding. error: a deployment would fail. warning: it may behave in an unexpected way."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(NamedTuple):
    """One line of the report. remedy: "" if none is needed."""

    check: str
    level: Level
    message: str
    remedy: str = ""


def ok(message: str) -> Finding:
    """Return the finding of a passed check. The caller adds the name of the check."""
    return Finding("", Level.OK, message)


def warning(message: str, remedy: str) -> Finding:
    """Return a finding about unexpected behaviour."""
    return Finding("", Level.WARNING, message, remedy)


def error(message: str, remedy: str) -> Finding:
    """Return a finding that makes a deployment fail."""
    return Finding("", Level.ERROR, message, remedy)


def table(findings: list[Finding]) -> str:
    """Format the findings as text for a terminal; a remedy stands below its message."""
    rows = [
        (
            str(finding.level),
            finding.check,
            f"{finding.message}\n-> {finding.remedy}" if finding.remedy else finding.message,
        )
        for finding in findings
    ]
    return tabulate(rows, tablefmt="plain", disable_numparse=True)
