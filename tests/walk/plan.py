"""What the walk does with each command: commands.yaml, read and looked up."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

FILE = Path(__file__).with_name("commands.yaml")


class Outcome(BaseModel):
    """What a command must leave: exit codes, files that did not exist before it or are new, and text on its output."""

    model_config = ConfigDict(extra="forbid")

    exit: list[int] = [0]
    files: list[str] = []
    shows: list[str] = []


class Plan(BaseModel):
    """elsewhere: reason to patterns of commands that the walk does not type. The others: by command.

    servers: the address that answers once it serves. fill: a word that a page leaves to its reader, and what to type.
    """

    model_config = ConfigDict(extra="forbid")

    elsewhere: dict[str, list[str]]
    servers: dict[str, str]
    fill: dict[str, str]
    outcomes: dict[str, Outcome]

    def reason(self, command: str) -> str | None:
        """Return why a command is not typed, or None when it is."""
        for reason, patterns in self.elsewhere.items():
            if any(fnmatchcase(command, pattern) for pattern in patterns):
                return reason
        return None

    def stale(self, commands: list[str]) -> list[str]:
        """Return the entries that no command of a page matches."""
        patterns = [pattern for patterns in self.elsewhere.values() for pattern in patterns]
        exact = [*self.servers, *self.outcomes]
        unmatched = [p for p in patterns if not any(fnmatchcase(command, p) for command in commands)]
        unfilled = [name for name in self.fill if not any(name in command.split() for command in commands)]
        return [*unmatched, *(entry for entry in exact if entry not in commands), *unfilled]


def load() -> Plan:
    """Read commands.yaml."""
    content: Any = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return Plan.model_validate(content)
