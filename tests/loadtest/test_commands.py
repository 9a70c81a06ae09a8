"""The help of the command line."""

import re
import shlex

import pytest

from loadtest.__main__ import build_parser, main

COMMANDS = ("run", "autoscale", "compare", "versions", "curve", "fairness", "memory")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_an_example_that_parses(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    (example,) = re.findall(r"^  python -m loadtest (.+)$", capsys.readouterr().out, re.MULTILINE)
    words = shlex.split(example)
    assert words[0] == command
    assert callable(build_parser().parse_args(words).handler)


def test_the_help_lists_every_command(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = re.findall(r"^    (\w+)(?:\s|$)", capsys.readouterr().out, re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)
