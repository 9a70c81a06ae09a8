"""Every command of the pipeline exists and takes what it is given, and a person's `make pipeline` types the same."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import yaml

from deploy.__main__ import build_parser as deploying
from deploy.settings import ESTABLISHED, Settings, variable
from loadtest.__main__ import build_parser as loading
from tests.commands import ROOT
from tests.jenkins.jenkinsfile import COMMANDS, DEFAULTS, TEXT, filled

PARSERS = {"deploy": deploying, "loadtest": loading}


def make(*words):
    """Return what a target would type, whatever the make that runs these tests was told."""
    command = ["make", "--dry-run", "--no-print-directory", *words]
    env = {name: value for name, value in os.environ.items() if "MAKE" not in name and name not in DEFAULTS}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_taken_by_its_own_parser(command):
    match shlex.split(filled(command)):
        case ["make", target, *more]:
            assert make(target, *more)
        case [".venv/bin/python", "-m", program, *words]:
            PARSERS[program]().parse_args(words)
        case _:
            pytest.fail(f"neither make nor a program of ours: {command}")


def test_nothing_else_is_typed():
    assert len(COMMANDS) == len(re.findall(r"\bsh\b(?! ')|\bsh '", TEXT))
    assert not {"bat", "powershell", "docker"} & set(re.findall(r"\w+", "\n".join(COMMANDS)))


def test_a_person_types_the_same():
    """But for the digest, which Jenkins hands on as a variable."""
    digest = re.compile(r' --digest "\$\(cat runs/pipeline/digest\)"')
    lines = [digest.sub("", line) for line in make("pipeline").splitlines()]
    typed = [line for line in lines if re.search(r"-m (deploy|loadtest)\b", line)]
    assert typed == [filled(command) for command in COMMANDS if " -m " in command]
    assert any("pytest" in line for line in lines)


def test_the_digest_is_handed_on_by_its_variable():
    assert re.findall(r"env\.(\w+) = kept\('digest'\)", TEXT) == [variable("digest")]


def test_what_the_environment_sets_are_settings():
    known = {variable(name) for name in Settings.model_fields} | set(ESTABLISHED.values())
    (block,) = re.findall(r"\n    environment \{\n(.+?)\n    \}", TEXT, re.DOTALL)
    named = {*re.findall(r"^ +(\w+) = ", block, re.MULTILINE), *re.findall(r"env\.(\w+) = ", TEXT)}
    named.remove("FAILED_STAGE")  # for the mail
    assert len(named) == 9
    assert named <= known


def test_what_is_kept_is_what_is_written():
    written = set(re.findall(r"--result runs/pipeline/(\w+)", TEXT))
    assert set(re.findall(r"kept\('(\w+)'\)", TEXT)) <= written


def test_no_secret_is_an_argument_or_printed():
    secrets = ("KUBECONFIG", "QNA_REGISTRY", "K8S_SECRET_FILE", "PASSWORD", "TOKEN")
    assert not [command for command in COMMANDS if any(name in command for name in secrets)]
    assert set(re.findall(r"\$\W?(\w+)", "".join(COMMANDS))) <= set(DEFAULTS)
    assert not re.search(r"\b(echo|println)\b", TEXT)


def configuration():
    return yaml.safe_load((ROOT / "deploy/jenkins/jenkins.yaml").read_text())


def test_the_credentials_that_are_asked_for_are_configured_and_documented():
    asked = set(re.findall(r"credentials\('(\w+)'\)", TEXT))
    (domain,) = configuration()["credentials"]["system"]["domainCredentials"]
    made = {of["id"]: kind for one in domain["credentials"] for kind, of in one.items()}
    assert made == {"MINIKUBE_KUBECONFIG": "file", "K8S_SECRET_FILE": "file", "DockerHubCred": "usernamePassword"}
    assert asked == set(made)
    documented = (ROOT / "docs/jenkins.md").read_text()
    assert all(f"| `{name}` |" in documented for name in made)


def test_the_configuration_holds_no_secret_and_its_variables_are_documented():
    text = (ROOT / "deploy/jenkins/jenkins.yaml").read_text()
    for name in ("password", "secretBytes", "username"):
        assert all(value.startswith('"${') for value in re.findall(rf"{name}: (.+)", text))
    documented = (ROOT / "docs/jenkins.md").read_text()
    for name in re.findall(r"\$\{([A-Z0-9_]+)", text):
        assert f"`{name}`" in documented or name == "CASC_FOLDER"


def test_every_stage_has_its_remedy_and_the_pages_that_it_names_have_the_section():
    (remedies,) = re.findall(r"remedies = \[\n(.+?)\n    \]", TEXT, re.DOTALL)
    listed = dict(re.findall(r"^ +'([^']+)': '((?:[^'\\]|\\.)+)'", remedies, re.MULTILINE))
    assert list(listed) == re.findall(r"stage\('([^']+)'\)", TEXT)
    operate = (ROOT / "docs/operate.md").read_text()
    for text in listed.values():
        if "docs/operate.md" in text:
            sections = re.findall(r'"([^"]+)"', text.replace("\\'", "'"))
            assert sections
            assert all(f"## {section}\n" in operate for section in sections)
    assert TEXT.count("failedIn(env.STAGE_NAME)") == len(listed)


def first_error(log):
    """The line that email-ext puts into the mail; the expression means the same to Java."""
    (regex,) = re.findall(r"String regex = '([^']+)'", TEXT)
    return next((line for line in log.splitlines() if re.search(regex, line)), None)


def test_the_first_error_is_that_of_a_command_that_fails(tmp_path):
    """Of commands that really fail, each with the time that Jenkins puts before a line."""
    (tmp_path / "test_it.py").write_text("def test_it():\n    print('no error here')\n    assert 1 == 2\n")
    (tmp_path / "it.py").write_text("import os\nx: int = ''\n")
    commands = {
        "E       assert 1 == 2": [sys.executable, "-m", "pytest", "-c", os.devnull, "test_it.py"],
        "Found ": [sys.executable, "-m", "ruff", "check", "--isolated", "it.py"],
        "it.py:2: error: Incompatible types": [sys.executable, "-m", "mypy", "it.py"],
        "error: no cluster is configured": [sys.executable, "-m", "deploy", "status"],
        "error: missing: bento_service": ["make", "--file", str(ROOT / "Makefile"), "structure"],
    }
    env = {name: value for name, value in os.environ.items() if "MAKE" not in name and name != "KUBECONFIG"}
    env |= {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    for expected, command in commands.items():
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert done.returncode != 0
        log = "".join(f"[2026-11-28T22:00:00.000Z] {line}\n" for line in (done.stdout + done.stderr).splitlines())
        assert expected in (first_error(log) or ""), log


def test_no_error_is_seen_in_a_log_without_one():
    assert first_error("+ make test\n12 passed, 0 errors\nsent without any failure\n") is None


def test_every_step_has_its_plugin():
    lines = (ROOT / "deploy/jenkins/plugins.txt").read_text().splitlines()
    pinned = [line.split()[0].partition(":") for line in lines if not line.startswith("#")]
    assert all(version for _, _, version in pinned)
    plugins = {name for name, _, _ in pinned}
    steps = {
        *{"emailext": "email-ext", "cleanWs": "ws-cleanup", "junit": "junit", "timestamps": "timestamper"}.items(),
        *{"githubPush": "github", "scmGit": "git", "credentials": "credentials-binding"}.items(),
        ("publishHTML", "htmlpublisher"),
    }
    for step, plugin in steps:
        assert f"{step}(" in TEXT or f"{step} " in TEXT
        assert plugin in plugins


def test_the_documented_stages_are_the_jenkinsfiles():
    rows = re.findall(r"^\| ([A-Z][^|]+) \| (`.+`) \|$", (ROOT / "docs/jenkins.md").read_text(), re.MULTILINE)
    stages = re.findall(r"stage\('([^']+)'\)", TEXT)
    assert [stage for stage, _ in rows] == stages
    for stage, commands in rows:
        body = TEXT.partition(f"stage('{stage}')")[2].partition("stage('")[0]
        typed = [re.sub(r"^\.venv/bin/python -m ", "", c) for c in re.findall(r"sh '([^']+)'", body)]
        short = re.findall(r"`([^`]+)`", commands)
        assert len(typed) == len(short)
        assert all(one.startswith(begin) for one, begin in zip(typed, short, strict=True))
