"""What the README tells a newcomer to type exists."""

import json
import re
import shlex
import subprocess
import tomllib
from typing import Any

import pytest

from bento_service.schema import EXAMPLE_REQUEST, VERSION
from bento_service.service import ExtractiveQA
from bento_service.settings import Settings
from deploy.__main__ import _parser as deploying
from deploy.credentials import PASSWORD, USERNAME
from loadtest.__main__ import _parser as loading
from tests.commands import ROOT
from training.__main__ import _parser

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]


def test_there_are_commands():
    assert len(COMMANDS) > 5


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_make_knows_every_target(command):
    subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("command", [c for c in COMMANDS if "-m training" in c and "--help" not in c])
def test_training_takes_every_flag(command):
    words = shlex.split(command)
    _parser().parse_args(words[words.index("training") + 1 :])


@pytest.mark.parametrize("command", [c for c in COMMANDS if "-m deploy" in c and "--help" not in c])
def test_deploy_takes_every_flag(command):
    words = shlex.split(command)
    deploying().parse_args(words[words.index("deploy") + 1 :])


@pytest.mark.parametrize("command", [c for c in COMMANDS if "-m loadtest" in c])
def test_loadtest_takes_every_flag(command):
    words = shlex.split(command)
    loading().parse_args(words[words.index("loadtest") + 1 :])


def test_the_curl_asks_the_contracts_example():
    (body,) = (shlex.split(command)[-1] for command in COMMANDS if command.startswith("curl"))
    assert json.loads(body) == EXAMPLE_REQUEST


def test_help_lists_every_target():
    command = ["make", "--no-print-directory", "help"]
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    phony = re.findall(r"^\.PHONY: ([a-z0-9-]+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {line.split()[0] for line in shown.splitlines()} == set(phony)


def test_documented_variables_and_routes_are_the_services():
    documented = set(re.findall(r"`(QNA_[A-Z_]+)`", README))
    assert documented == {f"QNA_{name.upper()}" for name in Settings.model_fields} | {USERNAME, PASSWORD}
    service: Any = ExtractiveQA  # the decorator makes a service of the class
    for route in re.findall(r"^\| `(?:POST|GET) (/[a-z.]+)`", README, re.MULTILINE):
        assert route in {*service.openapi_spec.paths, "/docs.json"}


def test_version_is_the_same_everywhere():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
