"""Makes the picture of README.md anew: the page, asked one of its examples. `make picture` runs it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.commands import ROOT
from tests.page.browser import Page, started
from tests.servers import serve
from training.network import pretrained

PICTURE = ROOT / "docs/images/ask.png"
EXAMPLE = "A longer text"


def main() -> None:
    """Ask the shipped default model on the page, and write what the browser shows."""
    with tempfile.TemporaryDirectory() as folder, started() as chromium:
        home = Path(folder) / "bentoml"
        command = [sys.executable, "-m", "bento_service", "store", str(pretrained.FOLDER / pretrained.STORED)]
        subprocess.run(command, cwd=ROOT, env={"BENTOML_HOME": str(home)}, check=True)
        with serve(home, Path(folder)) as server:
            page = Page(chromium, server.url)
            page.open(prefers_color_scheme="light", prefers_reduced_motion="reduce")
            next(button for button in page.all("#examples button") if button.text == EXAMPLE).click()
            page.answered()
            PICTURE.write_bytes(chromium.get_screenshot_as_png())


if __name__ == "__main__":
    main()
