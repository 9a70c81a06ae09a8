"""The Jenkinsfile as text: its commands, and what it asks of Jenkins."""

from __future__ import annotations

import re

from tests.commands import ROOT

TEXT = (ROOT / "Jenkinsfile").read_text(encoding="utf-8")
COMMANDS = re.findall(r"\bsh '([^']+)'", TEXT)
"""What is typed, in order. Single quotes: Groovy puts nothing into it, and the shell reads variables."""
DEFAULTS = dict(re.findall(r"string\(name: '(\w+)', defaultValue: '([^']*)'", TEXT))
"""Of the parameters, which Jenkins hands to the shell as variables."""


def filled(command: str) -> str:
    """Return a command as the shell reads it in a build with the parameters' defaults."""
    return re.sub(r'"\$(\w+)"', lambda name: f'"{DEFAULTS[name[1]]}"', command)
