"""What the README says of versions, variables and routes; tests/walk types its commands."""

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

README = (ROOT / "README.md").read_text(encoding="utf-8")
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
    documented = set(re.findall(r"`(QNA_[A-Z_]+)`", README))
    assert documented == {f"QNA_{name.upper()}" for name in ServiceSettings.model_fields} | {USERNAME, PASSWORD}
    service: Any = ExtractiveQA  # the decorator makes a service of the class
    for route in re.findall(r"^\| `(?:POST|GET) (/[a-z.]+)`", README, re.MULTILINE):
        assert route in {*service.openapi_spec.paths, "/docs", "/docs.json"}


def test_version_is_the_same_everywhere():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
