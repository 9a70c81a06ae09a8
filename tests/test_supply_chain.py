"""What is installed: pinned with hashes in every list."""

import re
import tomllib

import pytest

from tests.commands import ROOT

LISTS = [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "loadtest/baseline/requirements.txt"]
TOGETHER = ("serve", "train", "loadtest", "deploy", "test", "race")
"""Lists whose packages stand in one environment, with those of dev.txt."""


def canonical(name):
    """A package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path):
    """Name, version, marker and hashes of each requirement."""
    text = re.sub(r"\\\n\s*", "", path.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pattern = re.compile(r"(\S+)==(\S+)(?: ; (.+?))?((?: --hash=sha256:[0-9a-f]{64})*)")
    return [pattern.fullmatch(line).groups() for line in lines]


@pytest.mark.parametrize("path", LISTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_requirement_is_pinned_with_hashes(path):
    assert pins(path)
    assert all(hashes for _, _, _, hashes in pins(path))


def test_lists_of_one_environment_agree():
    known = {(name, version) for name, version, _, _ in pins(ROOT / "requirements/dev.txt")}
    names = {name for name, _ in known}
    for part in TOGETHER:
        listed = {(name, version) for name, version, _, _ in pins(ROOT / f"requirements/{part}.txt")}
        assert {pin for pin in listed if pin[0] in names} <= known


def test_everything_that_is_asked_for_is_listed():
    for path in (ROOT / "requirements").glob("*.in"):
        listed = path.with_suffix(".txt")
        if path.stem == "torch":
            continue
        asked = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", path.read_text(), re.MULTILINE)
        assert {(canonical(name), version) for name, version in asked} <= {pin[:2] for pin in pins(listed)}


def test_torch_is_the_same_everywhere_and_in_no_other_list():
    builds = [pins(ROOT / f"requirements/torch-{build}.txt") for build in ("cpu", "cuda")]
    versions = {version.removesuffix("+cpu") for build in builds for name, version, _, _ in build if name == "torch"}
    (asked,) = re.findall(r"^torch==(\S+)", (ROOT / "requirements/torch.in").read_text(), re.MULTILINE)
    (resolved,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["dependency-metadata"]
    assert versions == {asked} == {resolved["version"]}
    others = [path for path in LISTS if not path.stem.startswith("torch")]
    assert not [path for path in others if "torch" in {name for name, *_ in pins(path)}]


def test_nothing_is_installed_without_hashes():
    """Of what a program types; a person may type what pages say, and the lists have hashes, which pip then requires."""
    files = ["Makefile", "training/Dockerfile", "bento_service/Dockerfile.template", "tests/pythons.py"]
    files += ["requirements/install_torch.py", "Jenkinsfile", ".ci/run"]
    for name in files:
        text = re.sub(r"\\\n\s*", "", (ROOT / name).read_text())
        typed = [line for line in text.splitlines() if re.search(r"pip\b.*\binstall\b", line) and "apt-get" not in line]
        assert all(re.search(r"require-hashes|PIP_REQUIRE_HASHES", line) for line in typed), name
