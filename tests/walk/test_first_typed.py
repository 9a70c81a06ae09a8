"""Each target of make that a page names, typed as the first thing after `make serve`, or after `make install` too.

What installs torch anew takes minutes, so that only what needs nothing but the service is typed without it.
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
    "compare": (Outcome(files=["runs/loadtest/compare.json"]), SHORT),
    "docs": (Outcome(files=["build/docs/docs/index.html", "build/docs/docs/api.html"]), {}),
    "e2e": (Outcome(shows=[NO_CLUSTER]), {}),
    "help": (Outcome(shows=["serve"]), {}),
    "image-test": (Outcome(shows=["tests/image/test_image.py"]), COLLECT),
    "install": (Outcome(), {}),
    "jenkins-test": (Outcome(shows=["tests/jenkins/test_walk.py"]), COLLECT),
    "licences": (Outcome(shows=[" packages, 0 problems"]), {}),
    "lint": (Outcome(shows=["Success: no issues found"]), {}),
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
ELSEWHERE = {"audit", "contract", "lock", "release-check", "serve", "test-pythons", "walk"}
"""See commands.yaml; the tests of other Pythons and the walk need no more than `make test` does."""
TARGETS = sorted({c.split()[1] for c in pages.commands() if c.startswith("make ")} - ELSEWHERE)


WITHOUT_TORCH = {"bento", "help", "pipeline", "structure"}
"""Typed after `make serve` alone. A Bento is made by `training`, which that does not install."""


@pytest.fixture(scope="module")
def installed(walk):
    """The state after `make install`."""
    walk.as_after(plugin.KEPT)
    walk.type("make install")
    walk.keep("make install")
    return "make install"


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_works_as_the_first_one(walk, installed, target):
    outcome, variables = FIRST[target]
    walk.as_after(plugin.KEPT if target in WITHOUT_TORCH else installed)
    walk.type(f"make {target}", outcome, **variables)
