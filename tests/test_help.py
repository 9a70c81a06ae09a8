"""The help of every command of every package has an example, and the command takes it."""

import re
import shlex

import pytest

import bento_service.__main__
import deploy.__main__
import training.__main__

PACKAGES = {"bento_service": bento_service.__main__, "deploy": deploy.__main__, "training": training.__main__}


def shown(package, words, capsys):
    with pytest.raises(SystemExit) as ended:
        PACKAGES[package].main([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("package", PACKAGES)
def test_each_command_takes_the_example_of_its_help(package, capsys):
    commands = re.findall(r"^    ([a-z]+)(?:\s|$)", shown(package, [], capsys), re.MULTILINE)
    assert len(commands) >= 4
    for command in commands:
        (example,) = re.findall(
            rf"^Example:\n  python -m {package} (.+)$", shown(package, [command], capsys), re.MULTILINE
        )
        words = shlex.split(example)
        assert words[0] == command
        assert callable(PACKAGES[package].build_parser().parse_args(words).command)
