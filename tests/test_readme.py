"""What the pages say of versions, variables and routes; tests/walk types their commands."""

import json
import re
import shlex
import subprocess
import tomllib
from typing import Any

from bento_service.schema import EXAMPLE_REQUEST, VERSION
from bento_service.service import ExtractiveQA
from bento_service.settings import ServiceSettings
from deploy.credentials import PASSWORD, USERNAME
from tests.commands import ROOT
from tests.walk import pages

ASK = (ROOT / "docs/ask.md").read_text(encoding="utf-8")
COMMANDS = pages.commands()


def test_the_curl_asks_the_contracts_example():
    body = next(shlex.split(command)[-1] for command in COMMANDS if command.startswith("curl"))
    assert json.loads(body) == EXAMPLE_REQUEST


def test_help_lists_every_target():
    command = ["make", "--no-print-directory", "help"]
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    phony = re.findall(r"^\.PHONY: ([a-z0-9-]+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {line.split()[0] for line in shown.splitlines()} == set(phony)


def test_documented_variables_and_routes_are_the_services():
    assert set(re.findall(r"`(QNA_[A-Z_]+)`", ASK)) == {f"QNA_{name.upper()}" for name in ServiceSettings.model_fields}
    deployment = (ROOT / "docs/deploy.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(QNA_[A-Z_]+)`", deployment)) == {USERNAME, PASSWORD}
    service: Any = ExtractiveQA  # the decorator makes a service of the class
    (table,) = re.findall(r"^## Routes\n(.+?)^## ", ASK, re.MULTILINE | re.DOTALL)
    routes = set(re.findall(r"`(?:POST |GET )?(/[a-z.]*)`", table))
    assert routes == {*service.openapi_spec.paths, "/docs.json"} - {"/healthz"}


def test_the_version_is_written_once():
    """`make release-check` compares it with the changelog."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dynamic"] == ["version"]
    tracked = subprocess.run(["git", "grep", "-lF", f'"{VERSION}"'], cwd=ROOT, capture_output=True, text=True).stdout
    named = [name for name in tracked.splitlines() if name.endswith((".py", ".toml")) and not name.startswith("tests/")]
    assert named == ["bento_service/schema.py"]
