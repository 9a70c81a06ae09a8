"""The page for trouble: each message of ours that it names is in the code, and its exit codes are the programs'."""

import ast
import re

import deploy.errors
import training.errors
from bento_service.__main__ import NO_ANSWER
from tests.commands import ROOT

PAGE = (ROOT / "docs/operate.md").read_text(encoding="utf-8")
OTHERS = {
    *("address already in use", "Killed", "UNAUTHORIZED", "error checking push permissions", "no such host"),
    *("x509: certificate signed by unknown authority", "i/o timeout", "authentication required"),
    *("no space left on device", "ImagePullBackOff", "CreateContainerConfigError", "FailedCreate", "exceeded quota"),
    "THESE PACKAGES DO NOT MATCH THE HASHES",
    *("Unschedulable", "Insufficient cpu", "Insufficient memory"),
}
"""What the kernel, pip, Kubernetes, Kaniko and git say."""
SECTIONS = (
    "make serve",
    "Training",
    "An imported",
    "The model",
    "The cluster",
    "preflight",
    "Kaniko",
    "A Job",
    "A rollout",
)


def messages():
    """Return the messages in the first column of the tables of those sections, in their parts around `...`."""
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        if section.startswith(SECTIONS):
            for row in re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE):
                yield from (part for message in re.findall(r"`([^`]+)`", row) for part in message.split("..."))


def texts(tree):
    """Return the texts of a module; of an f-string, the parts around its values."""
    yield from (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_each_message_is_in_the_code():
    files = [path for package in ("bento_service", "deploy", "training") for path in (ROOT / package).rglob("*.py")]
    code = [text for path in files for text in texts(ast.parse(path.read_text(encoding="utf-8")))]
    code.append((ROOT / "Makefile").read_text(encoding="utf-8"))
    named = {part.strip() for part in messages()} - OTHERS - {""}
    assert len(named) > 50
    assert sorted(part for part in named if not any(part in text for text in code)) == []


def test_other_programs_messages_are_on_the_page():
    assert set(messages()) >= OTHERS


def test_the_exit_codes_are_the_programs():
    table = PAGE.partition("## Exit codes\n")[2]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\| \d.*$", table, re.MULTILINE)]
    listed = {program: {int(row[0]) for row in rows if row[column]} for column, program in enumerate("?tdlb") if column}
    assert listed["t"] == {0, 130} | codes(training.errors.TrainingError)
    assert listed["d"] == {0, 130} | codes(deploy.errors.DeployError)
    assert listed["l"] == {0, 1, 2, 3}
    assert listed["b"] == {0, 1, 2, 3, NO_ANSWER, 130}


def codes(base):
    """Return the exit codes of an error and all below it, and 2, which is argparse's too."""
    return {2, base.exit_code}.union(*(codes(error) for error in base.__subclasses__()))
