"""Sphinx's settings for the site of the pages, which `make docs` builds. Every warning is an error there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bento_service.schema import VERSION  # noqa: E402
from docs import reference  # noqa: E402

project = "Extractive question answering"
html_title = f"{project} {VERSION}"
html_theme = "furo"
html_extra_path = ["redirect"]
extensions = ["myst_parser"]
myst_heading_anchors = 4
highlight_language = "none"
root_doc = "docs/index"
# The repository's root is the source folder, so that links between pages are the same on GitHub and on the site.
include_patterns = ["*.md", "docs/*.md", "training/EXPERIMENTS.md"]
exclude_patterns = [".*", "build", "runs", "tests", "training/pretrained", "training/sample"]


def setup(app: Any) -> None:
    """Have Sphinx add the reference to its page. app: a Sphinx, which only this site's own environment has."""
    app.connect("source-read", _add_reference)


def _add_reference(_app: Any, page: str, source: list[str]) -> None:
    if page == "docs/api":
        source[0] += f"\n{reference.markdown(reference.document())}"
