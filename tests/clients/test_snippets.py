"""The examples of docs/clients.md, run as they stand there but for the address of the service."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.commands import ROOT

PAGE = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
ADDRESS = re.compile(r"(?:http://)?localhost:5000")
CONTEXT = "Ada 👍🏽 swims in the sea. Bo 🎻 plays the violin."


def snippets(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run(words, code, server, folder, **variables):
    """Run code from its standard input and return what it prints."""
    asked = ADDRESS.sub(server.url, code)
    assert asked != code
    environment = os.environ | {"PYTHONPATH": ""} | variables
    done = subprocess.run(words, input=asked, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answered(client, question="Who plays the violin?", context=CONTEXT, **fields):
    return client.post("/answer", json={"question": question, "context": context} | fields).json()


def test_curl(server, client, tmp_path):
    (code,) = snippets("sh")
    context = "Ada 👍🏽 swims in the sea."
    assert json.loads(run(["bash"], code, server, tmp_path)) == answered(client, "Who swims in the sea?", context)


def test_httpx(server, client, tmp_path):
    answer = answered(client, top_k=3)
    printed = run([sys.executable, "-"], snippets("python")[0], server, tmp_path)
    assert printed == f"{answer['answer']} {answer['confidence']}\n"


def test_bentomls_client(server, client, tmp_path):
    answer = answered(client, context="Bo 🎻 plays the violin.", allow_no_answer=True)
    texts = {"Who swims?": "Ada swims in the sea.", "Who plays?": "Bo plays the violin."}
    batch = [answered(client, question, context)["answer"] for question, context in texts.items()]
    printed = run([sys.executable, "-"], snippets("python")[1], server, tmp_path)
    assert printed == f"{answer['answer']} {batch}\n"


def test_the_hubs_client(server, client, tmp_path):
    inputs = {"question": "Who plays the violin?", "context": "Bo 🎻 plays the violin."}
    found = client.post("/", json={"inputs": inputs}).json()
    printed = run([sys.executable, "-"], snippets("python")[2], server, tmp_path, HF_HUB_OFFLINE="0")
    assert printed == f"{found['answer']} {found['score']}\n"


def test_every_example_is_run():
    counts = {"sh": 1, "python": 3, "js": 1, "ts": 1}
    assert {language: len(snippets(language)) for language in counts} == counts
    assert len(re.findall(r"^```\w", PAGE, re.MULTILINE)) == sum(counts.values())


def test_javascript(server, client, tmp_path):
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    answer = answered(client, offsets="utf16")
    printed = run(["node", "--input-type=module", "-"], snippets("js")[0], server, tmp_path)
    assert printed.startswith(f"{answer['answer']} ")
