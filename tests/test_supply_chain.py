"""What is installed: pinned with hashes in every list, listed as CycloneDX, under licences that are allowed."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import module_from_spec, spec_from_file_location

import pytest
from packaging.markers import Marker

from loadtest import processes
from tests.commands import ROOT

LISTS = [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "loadtest/baseline/requirements.txt"]
TOGETHER = ("serve", "train", "loadtest", "deploy", "test", "race")
"""Lists whose packages stand in one environment, with those of dev.txt."""
IMAGE = {
    "sys_platform": "linux",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "implementation_name": "cpython",
    "python_full_version": "3.11.16",
    "python_version": "3.11",
}
"""Where the service's image runs."""
SUPPLY = ROOT / ".venv-supply/bin/python"


def script(name):
    """A program of requirements/."""
    spec = spec_from_file_location(name, ROOT / f"requirements/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


licences = script("licences")


def pins(path):
    """Name, version, marker and hashes of each requirement."""
    text = re.sub(r"\\\n\s*", "", path.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pattern = re.compile(r"(\S+)==(\S+)(?: ; (.+?))?((?: --hash=sha256:[0-9a-f]{64})*)")
    found = [pattern.fullmatch(line) for line in lines]
    assert None not in found
    return [match.groups() for match in found if match is not None]


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
        assert {(licences.canonical(name), version) for name, version in asked} <= {pin[:2] for pin in pins(listed)}


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


def test_the_sbom_lists_what_the_image_installs():
    content = json.loads((ROOT / "requirements/serve.cdx.json").read_text())
    installed = {
        (name, version)
        for name, version, marker, _ in pins(ROOT / "requirements/serve.txt")
        if marker is None or Marker(marker).evaluate(IMAGE)
    }
    assert content["bomFormat"] == "CycloneDX"
    listed = {(licences.canonical(part["name"]), part["version"]) for part in content["components"]}
    assert listed == installed, "run `make sbom`"
    assert all(part["purl"].startswith("pkg:pypi/") for part in content["components"])


def test_the_sbom_has_nothing_that_differs_between_runs():
    text = (ROOT / "requirements/serve.cdx.json").read_text()
    assert not {"serialNumber", "timestamp"} & set(re.findall(r'"(\w+)":', text))
    assert str(ROOT.parent) not in text


RULES = {"allowed": {"MIT": ["MIT License"], "BSD-3-Clause": []}, "exceptions": {"odd": {"licence": "MPL-2.0"}}}


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT License", True),
        ("MIT AND BSD-3-Clause", True),
        ("MIT; BSD-3-Clause", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND (GPL-3.0-only OR BSD-3-Clause)", True),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("UNKNOWN", False),
    ],
)
def test_a_licence_is_allowed_by_its_parts(licence, allowed):
    assert licences.permitted(licence, {"MIT", "MIT License", "BSD-3-Clause"}) is allowed


def test_what_is_not_allowed_is_named_with_what_to_do():
    assert licences.problems({"odd": "MPL-2.0", "fine": "MIT"}, RULES) == []
    (line,) = licences.problems({"odd": "MPL-2.0", "bad": "GPL-3.0-only"}, RULES)
    assert line == "bad: GPL-3.0-only is not allowed; replace it, or add an exception with its reason"
    (line,) = licences.problems({"odd": "GPL-3.0-only"}, RULES)
    assert "its exception is for MPL-2.0" in line
    (line,) = licences.problems({"fine": "MIT"}, RULES)
    assert line == "odd: it does not ship; remove its exception"


def test_every_exception_has_a_reason():
    rules = tomllib.loads((ROOT / "requirements/licences.toml").read_text())
    assert all(len(exception["reason"]) > 20 for exception in rules["exceptions"].values())


def test_licences_are_listed_and_judged(tmp_path):
    listed, wanted = tmp_path / "licences.json", tmp_path / "list.txt"
    listed.write_text(json.dumps([{"Name": "Some_Thing", "License": "GPL-3.0-only"}, {"Name": "else", "License": "?"}]))
    wanted.write_text("some-thing==1 \\\n    --hash=sha256:0\n")
    command = [sys.executable, str(ROOT / "requirements/licences.py"), str(listed), str(wanted)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(r"^some-thing +GPL-3.0-only$", done.stdout, re.MULTILINE)
    assert "some-thing: GPL-3.0-only is not allowed" in done.stderr
    assert "else" not in done.stdout


@pytest.mark.skipif(not SUPPLY.exists(), reason="needs pip-audit: make licences")
def test_an_audit_that_reaches_no_service_is_none(tmp_path):
    nowhere = f"http://127.0.0.1:{processes.free_port()}"
    environment = os.environ | {"HTTPS_PROXY": nowhere, "https_proxy": nowhere, "NO_PROXY": "", "no_proxy": ""}
    command = [str(SUPPLY), str(ROOT / "requirements/audit.py"), str(ROOT / "requirements/lock.txt")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 3, done.stderr
    assert "nothing was audited" in done.stderr
