"""The Jenkinsfile as text: its commands, and what it asks of Jenkins."""

from __future__ import annotations

import re

from tests.commands import ROOT

TEXT = (ROOT / "Jenkinsfile").read_text(encoding="utf-8")
COMMANDS = re.findall(r"\bsh '([^']+)'", TEXT)
"""What is typed, in order."""
