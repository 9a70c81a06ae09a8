"""Each target of make that a page names, typed as the first thing after `make serve`, or after `make install` too.

Installing takes minutes, so that what would install the same is typed in the state after one that has.
"""

import pytest

from tests.walk import pages, plugin
from tests.walk.plan import Outcome

pytestmark = pytest.mark.walk

COLLECT = {"PYTEST_ADDOPTS": "--collect-only -q"}
SHORT = {"COMPARE_FLAGS": "--seconds 2 --rounds 1 --soak 200"}
NO_CLUSTER = "set KUBECONFIG to the file that names one"
FIRST = {
    "agreement": (Outcome(shows=["test_agreement.py"]), COLLECT),
    "bento": (Outcome(files=["build/bento.tar.gz", "build/bento.cdx.json"]), {}),
    "compare": (Outcome(files=["runs/loadtest/compare.json", "runs/loadtest/compare.png"], shows=["answers/s"]), SHORT),
    "docs": (Outcome(files=["build/docs/docs/index.html", "build/docs/docs/api.html"]), {}),
    "e2e": (Outcome(shows=[NO_CLUSTER]), {}),
    "help": (Outcome(shows=["serve"]), {}),
    "image-test": (Outcome(shows=["tests/image/test_image.py"]), COLLECT),
    "install": (Outcome(), {}),
    "jenkins-test": (Outcome(shows=["tests/jenkins/test_walk.py"]), COLLECT),
    "licences": (Outcome(shows=[" packages, 0 problems"]), {}),
    "lint": (Outcome(shows=["Success: no issues found"]), {}),
    "memory-test": (Outcome(shows=["tests/training/test_memory.py"]), COLLECT),
    "page-test": (Outcome(shows=["tests/page/test_ask.py"]), COLLECT),
    "pipeline": (Outcome(exit=[2], shows=[NO_CLUSTER]), {}),
    "sbom": (Outcome(files=["requirements/serve.cdx.json"]), {}),
    "structure": (Outcome(), {}),
    "test": (Outcome(shows=["tests/bento_service/test_service.py"]), COLLECT),
    "tools": (Outcome(), {}),
    "train": (Outcome(shows=["extractive-qa:"]), {}),
    "types": (Outcome(files=["docs/clients/api.d.ts"]), {}),
}
"""What comes of each target. The tests themselves, and those of the image, are run by .ci/run."""
ELSEWHERE = {"audit", "contract", "lock", "picture", "release-check", "serve", "test-pythons", "walk"}
"""See commands.yaml; the tests of other Pythons and the walk need no more than `make test` does."""
TARGETS = sorted({c.split()[1] for c in pages.commands() if c.startswith("make ")} - ELSEWHERE)

REACHED = {"make install": plugin.KEPT, "make lint": "make install", "make compare": "make install"}
"""States that a target is typed in, by the command that leads there, and the state which that is typed in itself."""
AFTER = {
    **dict.fromkeys(["bento", "help", "install", "pipeline", "structure"], plugin.KEPT),
    **dict.fromkeys(["e2e", "image-test", "jenkins-test", "memory-test", "page-test", "test"], "make lint"),
    "agreement": "make compare",
}
"""The state that a target is typed in, where it is not that after `make install`.

`make lint` installs, in a minute, what those after it would install; `make compare` what the agreement asks.
"""


def _reach(walk, command):
    if walk.has_kept(command):
        return
    _type(walk, command.removeprefix("make "), REACHED[command])
    walk.keep(command)


def _type(walk, target, state):
    if state != plugin.KEPT:
        _reach(walk, state)
    walk.as_after(state)
    outcome, variables = FIRST[target]
    walk.type(f"make {target}", outcome, **variables)


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_works_as_the_first_one(walk, target):
    command = f"make {target}"
    if command in REACHED:
        _reach(walk, command)
    else:
        _type(walk, target, AFTER.get(target, "make install"))


def test_what_is_typed_after_another_target_would_install_the_same(walk):
    _reach(walk, "make install")
    walk.as_after("make install")
    for target, state in AFTER.items():
        if state != plugin.KEPT:
            walk.type(f"make --dry-run {target}", Outcome(shows=["--require-hashes -r requirements/dev.txt"]))
