"""The Python on the pages for those who come from elsewhere, run as it stands there but for the service's address."""

import os
import re
import subprocess
import sys

import pytest

from tests.commands import ROOT

PAGES = ("from-transformers", "from-haystack", "from-fastapi")
ADDRESS = "http://localhost:5000"
SNIPPETS = [
    pytest.param(code, id=f"{page}-{number}")
    for page in PAGES
    for number, code in enumerate(
        re.findall(r"^```python\n(.*?)^```", (ROOT / f"docs/{page}.md").read_text(), re.MULTILINE | re.DOTALL), start=1
    )
]


@pytest.mark.parametrize("code", SNIPPETS)
def test_a_snippet_runs(code, server, tiny_store, tmp_path):
    env = os.environ | {"BENTOML_HOME": str(tiny_store), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-"]
    asked = code.replace(ADDRESS, server.url)
    done = subprocess.run(command, input=asked, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_every_page_has_a_snippet():
    assert len(SNIPPETS) == 6
