from pathlib import Path

import pytest

from tests.page import browser


@pytest.fixture(scope="session")
def chromium():
    """A browser for all tests."""
    with browser.started() as driver:
        yield driver


@pytest.fixture
def page(chromium, server):
    """The page, opened anew; at the end, the browser's console must be empty."""
    opened = browser.Page(chromium, server.url)
    opened.complaints()
    opened.open()
    yield opened
    assert opened.complaints() == []


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which `make page-test` installs."""
    path = Path(__file__).parent.with_name("node") / "node_modules/axe-core/axe.min.js"
    if not path.exists():
        pytest.skip("axe-core is not installed; `make page-test` installs it where npm is")
    return path.read_text(encoding="utf-8")
