"""Every command line ends without a word when its output is piped into a command that stops reading."""

import os
import subprocess
import sys

import pytest

from deploy import pipes
from tests.commands import ROOT

HELP = ["deploy --help", "loadtest --help", "training train --help", "bento_service --help"]


def unread(words, **environment):
    """Run a command whose stdout nobody reads; return its exit code and what it says on stderr."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", *words.split()]
    told = {**os.environ, **environment}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=told, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120
        )
    finally:
        os.close(writer)
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", HELP)
def test_help_that_nobody_reads_is_no_error(words):
    code, said = unread(words)
    assert code in (0, pipes.CLOSED)  # argparse swallows it, unless the text fills its buffer
    assert not said


def test_results_that_nobody_reads_are_no_error(tiny_store):
    assert unread("deploy render") == (pipes.CLOSED, "")
    assert unread("training list", BENTOML_HOME=str(tiny_store)) == (pipes.CLOSED, "")


def test_progress_that_nobody_reads_is_no_error(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "deploy", "status"]
    environment = {**os.environ, "KUBECONFIG": str(tmp_path / "none")}
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=writer, env=environment, timeout=120)
    finally:
        os.close(writer)
    assert done.returncode == pipes.CLOSED
