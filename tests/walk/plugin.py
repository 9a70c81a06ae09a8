"""A pytest plug-in: README.md and docs/ are test files, each of whose commands is typed in a fresh clone.

`make walk` loads it; pytest can't take it from a conftest.py below tests/, since the pages lie outside.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from sybil import Example
from sybil.integration.pytest import SybilItem

from tests.walk import pages, plan
from tests.walk.walker import Walk

CONFIDENCE = 0.02
"""By so much a confidence may differ from the page's: processors round the int8 network differently."""
KEPT = "make serve"
"""What stays up until the page ends: the commands after it ask it."""


def _command(example: Example) -> None:
    """Type the commands of a block, or of a code span, but for those that the plan lists."""
    walk: Walk = example.namespace["walk"]
    for command in pages.lines(example.parsed):
        if walk.plan.reason(command):
            continue
        if command in walk.plan.servers:
            _serve(walk, command)
        elif command not in [typed for typed, _ in walk.seconds]:
            example.namespace["printed"] = walk.type(command)


def _serve(walk: Walk, command: str) -> None:
    if command in walk.serving:
        return
    first = not walk.home.joinpath("bentoml").exists()
    before = [] if first else walk.stored()
    walk.serve(command)
    assert walk.stored() == before or (first and len(walk.stored()) == 1), "a model was stored before the start"
    if command != KEPT:
        walk.end(command)
    elif first:
        walk.keep(KEPT)


def _answer(example: Example) -> None:
    """Compare the JSON that a page shows with what the command before it has printed."""
    shown = json.loads(example.parsed)
    printed = json.loads(example.namespace["printed"].splitlines()[-1])
    assert printed == shown | {"confidence": pytest.approx(shown["confidence"], abs=CONFIDENCE)}


pytest_collect_file = pages.sybil(_command, _answer).pytest()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give the pages' items the marker of this suite."""
    if isinstance(item, SybilItem):
        item.add_marker(pytest.mark.walk)


@pytest.fixture(scope="session")
def walk(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest):
    """One newcomer for all pages; prints at the end how long each command took."""
    folder: Path = tmp_path_factory.mktemp("walk")
    newcomer = Walk(folder, plan.load())
    newcomer.begin()
    yield newcomer
    newcomer.end()
    if not request.session.testsfailed:
        shutil.rmtree(folder)  # gigabytes
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{newcomer.table()}")
