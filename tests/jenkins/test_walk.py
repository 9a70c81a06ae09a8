"""The pipeline from push to pods, walked through with every step recorded; and linted."""

import json
import re
import shutil
import subprocess

import pytest

from deploy.settings import Settings
from tests.commands import ROOT
from tests.jenkins.jenkinsfile import COMMANDS

pytestmark = pytest.mark.jenkins

HARNESS = ROOT / "tests/jenkins/harness.groovy"
LINTER = "npm-groovy-lint@16.2.0"
LINTED = ["Jenkinsfile", "deploy/jenkins/seed.groovy"]
DIGEST = "sha256:" + "1" * 64
WRITES = {
    "train": "extractive-qa:abc",
    "package": "extractive-qa:def",
    "build": DIGEST,
    "verify": "f1              77.84",
    "apply": f"docker.io/ashutoshj/qna_service@{DIGEST}",
}
STAGES = [
    *("Code Checkout", "Testing", "Cluster Check", "Training Image", "Model Training", "Service Build"),
    *("Image Push / Model Image Build", "Model Loading", "Service Deployment", "Autoscaling Check"),
]


def groovy(*words):
    """Run a script and return what it prints as JSON."""
    if shutil.which("groovy") is None:
        pytest.skip("groovy is not installed")
    done = subprocess.run(["groovy", *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def walk(tmp_path, jenkinsfile=ROOT / "Jenkinsfile", **scenario):
    """Return what a build did."""
    (tmp_path / "scenario.json").write_text(json.dumps({"writes": WRITES} | scenario))
    return groovy(HARNESS, jenkinsfile, tmp_path / "scenario.json")


def events(build, kind):
    return [event for event in build["events"] if event["event"] == kind]


def commands(build):
    return [event["command"] for event in events(build, "sh")]


def mail(build):
    (sent,) = events(build, "mail")
    return sent


def ended_well(build):
    """Whatever happened, results were published and the workspace was removed last, once."""
    assert build["events"][-1] == {"event": "clean"}
    assert len(events(build, "clean")) == len(events(build, "junit")) == len(events(build, "archive")) == 1
    (page,) = events(build, "page")
    assert page["allowMissing"]
    assert (page["reportDir"], page["reportFiles"]) == ("runs/loadtest", "report.html")
    assert all(event["allowEmptyResults"] for event in events(build, "junit"))
    return True


def test_a_push_goes_all_the_way(tmp_path):
    build = walk(tmp_path)
    assert build["result"] == "SUCCESS"
    assert build["triggers"] == ["githubPush"]
    assert [event["stage"] for event in events(build, "stage")] == STAGES
    assert commands(build) == COMMANDS
    assert all(set(re.findall(r"\$(\w+)", event["command"])) <= set(event["env"]) for event in events(build, "sh"))
    assert ended_well(build)
    sent = mail(build)
    assert sent["subject"] == "deployed: qna 7"
    assert sent["recipientProviders"] == "[developers, requestor]"
    for line in (
        "Job:     qna",
        "Build:   7, deployed",
        f"Commit:  {'c' * 40}",
        "Model:   extractive-qa:abc",
        f"Image:   {DIGEST}",
        "Link:    https://jenkins.example/job/qna/7/",
        "f1              77.84",
    ):
        assert line in sent["body"].splitlines()
    assert "To do:" not in sent["body"]


@pytest.mark.parametrize("fails", [None, "loadtest autoscale"])
def test_the_verdict_is_on_the_page_of_the_build_and_in_the_mail(tmp_path, fails):
    verdict = "Autoscaling: failed (scaled up)\n        observed\nFAILED  scaled up  2 replicas"
    leaves = {"loadtest autoscale": {"runs/loadtest/verdict.txt": verdict}}
    build = walk(tmp_path, fails=fails, leaves=leaves)
    assert build["description"] == "Autoscaling: failed (scaled up)"
    assert verdict in mail(build)["body"]


@pytest.mark.parametrize(
    ("fails", "stage"),
    [
        ("make structure", "Code Checkout"),
        ("make test", "Testing"),
        ("deploy preflight", "Cluster Check"),
        ("deploy train", "Model Training"),
        ("deploy build --result", "Image Push / Model Image Build"),
        ("deploy verify", "Model Loading"),
        ("deploy apply", "Service Deployment"),
        ("loadtest autoscale", "Autoscaling Check"),
    ],
)
def test_a_failure_ends_the_build_and_is_told(tmp_path, fails, stage):
    build = walk(tmp_path, fails=fails)
    assert build["result"] == "FAILURE"
    (failed,) = events(build, "failed")
    assert failed["stage"] == stage
    assert fails in commands(build)[-1]
    skipped = [event["stage"] for event in events(build, "skipped")]
    assert skipped == STAGES[STAGES.index(stage) + 1 :]
    assert ended_well(build)
    sent = mail(build)
    assert sent["subject"] == "failed: qna 7"
    assert sent["attachLog"] == "true"
    lines = sent["body"].splitlines()
    assert f"Stage:   {stage}" in lines
    assert "Build:   7, failed" in lines
    (error,) = (line for line in lines if line.startswith("Error:"))
    assert re.search(r"\$\{BUILD_LOG_REGEX, regex=\"[^\"]+\", maxMatches=1, [^}]+\}$", error)
    (advice,) = (line for line in lines if line.startswith("To do:"))
    assert "look at the log" not in advice


def test_stages_can_be_left_out_and_everything_be_elsewhere(tmp_path):
    build = walk(tmp_path, params={"SKIP_TRAINING": True, "SKIP_LOAD_TEST": True, "MAIL_TO": "ada@example.org"})
    assert build["result"] == "SUCCESS"
    skipped = [(event["stage"], event["why"]) for event in events(build, "skipped")]
    assert skipped == [("Model Training", "when"), ("Autoscaling Check", "when")]
    assert not [command for command in commands(build) if "deploy train" in command or "loadtest" in command]
    assert (mail(build)["to"], mail(build)["recipientProviders"]) == ("ada@example.org", "[]")
    assert "Model:   none" in mail(build)["body"]


def test_credentials_are_bound_where_they_are_needed_and_nowhere_else(tmp_path):
    build = walk(tmp_path)
    bound = {event["stage"]: event["credentials"] for event in events(build, "stage")}
    assert not bound["Code Checkout"]
    assert not bound["Testing"]
    assert all(bound[stage]["KUBECONFIG"] == "MINIKUBE_KUBECONFIG" for stage in STAGES[2:])
    registry = {stage for stage in STAGES if bound[stage].get("QNA_REGISTRY") == "DockerHubCred"}
    assert registry == {"Training Image", "Image Push / Model Image Build"}
    assert [stage for stage in STAGES if "K8S_SECRET_FILE" in bound[stage]] == ["Cluster Check"]
    tests = next(event for event in events(build, "sh") if event["command"].startswith("make test"))
    assert not {"KUBECONFIG", "QNA_REGISTRY", "K8S_SECRET_FILE"} & set(tests["env"])


def test_the_build_is_bounded_and_kept_in_order(tmp_path):
    build = walk(tmp_path)
    options = {option["name"]: option["arguments"] for option in build["options"]}
    assert {"timestamps", "disableConcurrentBuilds", "buildDiscarder", "skipDefaultCheckout"} <= set(options)
    assert options["timeout"] == [{"time": 3, "unit": "HOURS"}]
    training = next(event for event in events(build, "stage") if event["stage"] == "Model Training")
    assert training["options"] == [{"name": "timeout", "arguments": [{"time": 35, "unit": "MINUTES"}]}]
    assert all("defaultValue" in parameter and parameter["description"] for parameter in build["parameters"])


URLS = {
    "https://git.example/ada/qna.git": "https://git.example/ada/qna.git",
    "https://git.example:8443/ada/qna": "https://git.example:8443/ada/qna",
    "https://ada:s3cret@git.example:8443/ada/qna.git": "https://git.example:8443/ada/qna.git",
    "https://ada@example.org:s@cret@git.example/ada/qna.git": "https://git.example/ada/qna.git",
    "git@git.example:ada/qna.git": "https://git.example/ada/qna.git",
    "deploy-1@git.example:/ada/qna.git": "https://git.example/ada/qna.git",
    "git.example:ada/qna.git": "https://git.example/ada/qna.git",
    "ssh://git@git.example/ada/qna.git": "https://git.example/ada/qna.git",
    "ssh://git@git.example:7999/ada/qna.git": "https://git.example/ada/qna.git",
    "ssh://git.example:22/ada/qna": "https://git.example/ada/qna",
    "git://git.example:9418/ada/qna.git": "https://git.example/ada/qna.git",
}


def test_kaniko_gets_the_repository_by_https(tmp_path):
    """What each address becomes, in one run of Groovy: the function alone."""
    text = (ROOT / "Jenkinsfile").read_text()
    (function,) = re.findall(r"^String byHttps\(.+?^}$", text, re.MULTILINE | re.DOTALL)
    script = tmp_path / "addresses.groovy"
    script.write_text(f"{function}\nprintln groovy.json.JsonOutput.toJson(args.collect {{ byHttps(it) }})\n")
    assert groovy(script, *URLS) == list(URLS.values())
    assert all(Settings(git_url=url) for url in URLS.values())


@pytest.mark.parametrize("configured", [None, "https://git.example/scm/ada/qna.git"])
def test_the_address_is_handed_on_and_a_configured_one_wins(tmp_path, configured):
    probe = tmp_path / "Jenkinsfile"
    text = (ROOT / "Jenkinsfile").read_text()
    probe.write_text(text.replace("sh 'make structure'", 'sh "probe ${env.GITHUB_REPO_URL}"'))
    build = walk(
        tmp_path, probe, git="ssh://git@git.example:7999/ada/qna.git", environment={"GITHUB_REPO_URL": configured}
    )
    assert commands(build)[0] == f"probe {configured or 'https://git.example/ada/qna.git'}"


def test_the_seed_makes_the_job(tmp_path):
    """Job DSL's nested calls, in order."""
    script = tmp_path / "calls.groovy"
    script.write_text(
        """import org.codehaus.groovy.control.CompilerConfiguration
        class Calls {
            List made = []
            Object methodMissing(String name, Object given) {
                made << [name, given.findAll { !(it instanceof Closure) }*.toString()]
                given.findAll { it instanceof Closure }.each { body ->
                    body.delegate = this
                    body.resolveStrategy = Closure.DELEGATE_FIRST
                    body()
                }
                return null
            }
        }
        Calls calls = new Calls()
        def configuration = new CompilerConfiguration(scriptBaseClass: DelegatingScript.name)
        def seed = new GroovyShell(this.class.classLoader, new Binding(), configuration).parse(new File(args[0]))
        seed.setDelegate(calls)
        seed.run()
        println groovy.json.JsonOutput.toJson(calls.made)
        """
    )
    calls = groovy(script, ROOT / "deploy/jenkins/seed.groovy")
    assert calls[0] == ["pipelineJob", ["extractive-qa"]]
    assert ["githubPush", []] in calls
    assert ["git", [Settings().git_url, "*/main"]] in calls
    assert ["scriptPath", ["Jenkinsfile"]] in calls


def test_it_lints():
    npx = shutil.which("npx")
    if npx is None or shutil.which("java") is None:
        pytest.skip("npx and java are not installed")
    command = [npx, "--yes", LINTER, "--noserver", "--failon", "warning", *LINTED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
