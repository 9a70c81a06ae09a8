"""`make release-check`, first part: what a release says of itself. The rest of it are targets of their own."""

import re
import subprocess

import pytest

from bento_service.schema import VERSION
from tests.commands import ROOT

pytestmark = pytest.mark.release

CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_the_version_is_that_of_the_changelogs_newest_release():
    released = re.findall(r"^## \[([^\]]+)\] - \d{4}-\d{2}-\d{2}$", CHANGELOG, re.MULTILINE)
    assert released[:1] == [VERSION], f"CHANGELOG.md needs `## [{VERSION}] - YYYY-MM-DD` with what is under Unreleased"


def test_nothing_is_left_under_unreleased():
    (unreleased,) = re.findall(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", CHANGELOG, re.MULTILINE | re.DOTALL)
    assert unreleased.strip() == "", f"move it under {VERSION}"


def test_the_version_was_not_released_before():
    assert f"v{VERSION}" not in git("tag").split(), "set VERSION in bento_service/schema.py"


def test_the_checkout_is_what_is_committed():
    assert git("status", "--porcelain") == "", "commit it, or take it back"
