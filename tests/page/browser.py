"""A real Chromium without a window, driven through Selenium, and the page as a visitor sees it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

WAIT_S = 20
PROGRAMS = ("chromium", "chromedriver")


@contextmanager
def started() -> Iterator[webdriver.Chrome]:
    """Run a Chromium; skip the test where Debian's packages chromium and chromium-driver are not installed."""
    browser, driver = map(shutil.which, PROGRAMS)
    if browser is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--window-size=1280,1000", "--lang=en"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses to run as root with it
    chromium = webdriver.Chrome(options, Service(driver))
    try:
        yield chromium
    finally:
        chromium.quit()


@dataclass(frozen=True)
class Page:
    """The page in a browser. url: of the service, without a slash at the end."""

    driver: webdriver.Chrome
    url: str

    def open(self, **features: str) -> None:
        """Open the page anew, with media features such as prefers_color_scheme="dark"."""
        media = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        self.driver.get(f"{self.url}/")
        self.until(lambda: self.all("#passages textarea"))

    def one(self, selector: str) -> WebElement:
        """Return the element that a CSS selector names."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        """Return the elements that a CSS selector names."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Return the text of an element, with its white space, whether it can be seen or not."""
        content: Any = self.one(selector).get_property("textContent")
        return str(content)

    def script(self, code: str, *arguments: Any) -> Any:
        """Run JavaScript in the page and return its result."""
        return self.driver.execute_script(code, *arguments)

    def fill(self, selector: str, text: str) -> None:
        """Paste a text into a field: a driver's keyboard has no emoji and takes long for a long text."""
        field = self.one(selector)
        self.script(
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
            field,
            text,
        )

    def ask(self, question: str, *passages: str) -> None:
        """Fill the form, ask, and wait for an answer or an error."""
        for number, passage in enumerate(passages, 1):
            if not self.all(f"#passage-{number}"):
                self.one("#add").click()
            self.fill(f"#passage-{number}", passage)
        self.fill("#question", question)
        self.one("#ask").click()
        self.answered()

    def answered(self) -> None:
        """Wait until the page shows what the service said."""
        result = self.one("#result")
        shown = "#answer:not([hidden]), #problem:not(:empty)"
        self.until(lambda: result.get_dom_attribute("aria-busy") == "false" and self.all(shown))

    def until(self, condition: Any) -> None:
        """Wait until a condition holds."""
        WebDriverWait(self.driver, WAIT_S, 0.05).until(lambda _: condition())

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def tab_to(self, selector: str) -> None:
        """Press the tabulator until an element has the focus. Raises AssertionError when it never does."""
        for _ in range(40):
            if self.script("return document.activeElement.matches(arguments[0])", selector):
                return
            self.press(Keys.TAB)
        raise AssertionError(f"{selector} cannot be reached by the tabulator")

    def complaints(self) -> list[str]:
        """Return what the browser's console shows since it was asked last."""
        return [entry["message"] for entry in self.driver.get_log("browser")]
