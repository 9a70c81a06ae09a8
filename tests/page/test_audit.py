"""The page and the API's reference, looked at by axe and by the browser: accessible, quiet, and closed to elsewhere."""

import pytest

from tests.page.test_ask import CONTEXT, QUESTION

pytestmark = pytest.mark.page

WIDTHS = {"desktop": 1280, "phone": 360}


def findings(page, axe):
    """What axe finds fault with, and where."""
    page.script(axe)
    result = page.driver.execute_async_script("axe.run().then(arguments[0])")
    assert len(result["passes"]) > 10  # it has looked
    return [(finding["id"], [node["html"] for node in finding["nodes"]]) for finding in result["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS.keys())
def test_axe_finds_nothing(page, axe, scheme, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        page.open(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        assert findings(page, axe) == []
        page.ask(QUESTION, CONTEXT)
        page.one("#code summary").click()
        page.one("#add").click()
        assert findings(page, axe) == []
        page.all("#spans button")[1].click()
        assert findings(page, axe) == []
        assert page.script("return document.documentElement.scrollWidth <= innerWidth")
        page.fill("#passage-2", "")
        page.ask(" ", CONTEXT)
        page.complaints()
        assert findings(page, axe) == []
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.open()


def test_nothing_is_loaded_from_elsewhere(page):
    page.ask(QUESTION, CONTEXT)
    loaded = page.script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert len(loaded) > 5
    assert all(name.startswith(f"{page.url}/") for name in loaded)


def test_the_policy_stops_what_is_injected(page):
    """Were a text ever taken for HTML, the browser would run none of it."""
    page.script(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"document.title=1\">');"
        "const script = document.createElement('script'); script.textContent = 'document.title = 2';"
        "document.body.append(script)"
    )
    seen: list[str] = []

    def refused():
        seen.extend(page.complaints())
        return len(seen) == 2

    page.until(refused)
    assert all("Content Security Policy" in complaint for complaint in seen)
    assert page.driver.title == "Ask a passage"


def test_motion_is_left_out_for_those_who_ask_for_it(page):
    moving = "return getComputedStyle(document.querySelector('#confidence div')).transitionDuration"
    page.open(prefers_reduced_motion="reduce")
    assert page.script(moving) == "0s"
    page.open(prefers_reduced_motion="no-preference")
    assert page.script(moving) == "0.3s"


def test_the_reference_shows_every_operation(page):
    page.driver.get(f"{page.url}/docs")
    page.until(lambda: page.all(".opblock"))
    shown = {element.text for element in page.all(".opblock-summary-path")}
    assert {"/answer", "/answers", "/health"} <= {path.replace("\u200b", "") for path in shown}
