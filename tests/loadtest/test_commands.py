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


def test_a_bad_row_of_the_data_is_named_before_there_is_load(tmp_path, capsys):
    data = tmp_path / "mine.jsonl"
    data.write_text('{"question": "Who?", "context": null, "answers": []}\n')
    words = ["run", "--url", "http://127.0.0.1:9", "--data", str(data), "--output", str(tmp_path / "out")]
    assert main(words) == 1
    assert "mine.jsonl: line 1: context: is null" in capsys.readouterr().err
    assert not (tmp_path / "out" / "locust.log").exists()
