"""Every command of README.md and docs/ is typed by `make walk`, or is listed with the reason why not."""

import re

from tests.commands import ROOT
from tests.walk import pages, plan

COMMANDS = pages.commands()


def test_the_pages_have_commands_in_blocks_and_in_sentences():
    assert COMMANDS[0] == "make serve"
    assert "make bento" in COMMANDS
    assert len(COMMANDS) > 40


def test_the_plan_has_no_entry_without_a_command():
    assert plan.load().stale(COMMANDS) == []


def test_an_entry_without_a_command_is_told():
    listed = plan.load()
    listed.elsewhere["a reason"] = ["make coffee"]
    assert listed.stale(COMMANDS) == ["make coffee"]


def test_what_is_listed_is_not_checked_as_well():
    listed = plan.load()
    assert not [command for command in listed.outcomes if listed.reason(command)]


def test_every_target_that_a_page_names_exists():
    targets = re.findall(r"^\.PHONY: ([a-z0-9-]+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = {match for command in COMMANDS for match in re.findall(r"\bmake ([a-z0-9-]+)", command)}
    assert named <= set(targets)


def test_a_continued_line_is_one_command():
    assert pages.lines("a --b \\\n    c\nd\n") == ["a --b c", "d"]
