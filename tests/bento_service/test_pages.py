"""What a browser is sent; tests/page opens it in one."""

import re
import subprocess
import sys

import pytest

from bento_service.pages import FOLDER, POLICY
from tests.commands import ROOT

FILES = sorted(path.name for path in FOLDER.iterdir())


@pytest.mark.parametrize("path", ["/", "/docs", *(f"/page/{name}" for name in FILES)])
def test_what_a_browser_is_sent_loads_nothing_from_elsewhere(client, path):
    response = client.get(path)
    assert response.status_code == 200
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"(?:src|href|url|from|import)\W{1,3}(?:https?:)?//", response.text)


def test_the_page_has_the_strict_policy(client):
    assert client.get("/").headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY


@pytest.mark.parametrize("path", ["/", "/docs", "/page/page.js"])
def test_what_a_browser_has_is_not_sent_again(client, path):
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_finds_its_files(client, path):
    names = re.findall(r'(?:src|href)="([^"]+)"', client.get(path).text)
    assert len(names) >= 3
    for name in names:
        assert client.get(f"/{name}").status_code == 200


@pytest.mark.parametrize("path", ["/page/", "/page/nothing.js", "/page/../pages.py", "/page/%2e%2e/pages.py"])
def test_there_are_no_other_files(client, path):
    assert client.get(path).status_code == 404


def test_nothing_is_read_before_someone_opens_it():
    code = f"""
import sys
opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
import bento_service.service
print(*[path for path in opened if path.startswith({f"{FOLDER}/"!r})])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
