"""TypeScript's types of the API: current, and such that the example of docs/clients.md is right by them."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from bento_service.service import ExtractiveQA
from tests.clients.test_snippets import ADDRESS, answered, snippets
from tests.commands import ROOT

SERVICE: Any = ExtractiveQA  # the decorator makes a service of the class
pytestmark = pytest.mark.page

PROGRAMS = ROOT / "tests/node/node_modules/.bin"
TYPES = ROOT / "docs/clients/api.d.ts"
COMPILER = ["--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler"]


@pytest.fixture
def npm():
    """A function that runs one of the programs that `make page-test` installs."""
    if not PROGRAMS.exists():
        pytest.skip("npm's packages are not installed; `make page-test` installs them where npm is")

    def run(name, *arguments, folder):
        done = subprocess.run([PROGRAMS / name, *arguments], cwd=folder, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_types_are_current(npm, tmp_path):
    (tmp_path / "openapi.json").write_text(json.dumps(SERVICE.openapi_spec.asdict()), encoding="utf-8")
    made = ["openapi.json", "--default-non-nullable", "false", "--output", "api.d.ts"]
    assert npm("openapi-typescript", *made, folder=tmp_path)[0] == 0
    assert (tmp_path / "api.d.ts").read_text() == TYPES.read_text(), "run `make types`"


def test_the_example_compiles_and_asks(npm, server, client, tmp_path):
    shutil.copy(TYPES, tmp_path)
    (tmp_path / "ask.ts").write_text(ADDRESS.sub(server.url, snippets("ts")[0]), encoding="utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    assert npm("tsc", *COMPILER, "ask.ts", folder=tmp_path) == (0, "")
    done = subprocess.run(["node", "ask.js"], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(f"{answered(client, offsets='utf16')['answer']} ")


def test_a_wrong_field_does_not_compile(npm, tmp_path):
    shutil.copy(TYPES, tmp_path)
    wrong = snippets("ts")[0].replace('offsets: "utf16"', 'offsets: "utf8"')
    (tmp_path / "ask.ts").write_text(wrong, encoding="utf-8")
    code, told = npm("tsc", *COMPILER, "--noEmit", "ask.ts", folder=tmp_path)
    assert code != 0
    assert '"utf8"' in told
