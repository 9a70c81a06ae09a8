"""What a run leaves behind, and what need not be repeated: on a cluster and a registry that speak their protocols."""

import subprocess

import pytest

from deploy import image_tag
from deploy.__main__ import main
from deploy.errors import SettingsError
from deploy.image_tag import ROOT
from deploy.settings import Settings
from tests.deploy.job_controller import finished, pod
from tests.deploy.registry import DIGEST

JOB, NAMESPACE = "kaniko-training-image-job", "training-model-env"


@pytest.fixture
def repository(tmp_path):
    """A repository with what the training image is made of."""
    folder = tmp_path / "repository"
    (folder / "training").mkdir(parents=True)
    (folder / "training/Dockerfile").write_text(
        "FROM a\nCOPY requirements /tmp/\nCOPY --from=b /opt /opt\nCOPY training ./\n"
    )
    for name in ("requirements", "training/code.py", "README.md"):
        (folder / name).write_text("1")
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def git(folder, *words):
    author = ("-c", "user.name=a", "-c", "user.email=a@b.example")
    subprocess.run(["git", *author, *words], cwd=folder, check=True, capture_output=True)


def commit(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "x")
    return image_tag.head_commit(folder)


def test_only_what_the_image_is_made_of_makes_another(repository):
    def tag(**more):
        return image_tag.tag(Settings(**more), image_tag.head_commit(repository), repository)

    first = tag()
    (repository / "README.md").write_text("2")
    commit(repository)
    assert tag() == first
    (repository / "training/code.py").write_text("2")
    commit(repository)
    assert tag() != first


def test_another_build_argument_makes_another_image(repository):
    tags = {
        image_tag.tag(Settings(build_arguments=arguments), image_tag.head_commit(repository), repository)
        for arguments in ((), ("BASE_IMAGE=one",), ("BASE_IMAGE=two",), ("PIP_INDEX_URL=one",))
    }
    assert len(tags) == 4


def test_a_commit_that_git_does_not_have_is_reported(repository):
    with pytest.raises(SettingsError, match="build it without --if-changed, or from a clone that has the commit"):
        image_tag.tag(Settings(), "1" * 40, repository)


def test_every_path_that_the_dockerfile_copies_counts():
    assert image_tag.tag(Settings(), image_tag.head_commit()).startswith("inputs-")
    copied = {"requirements/train.txt", "requirements", "bento_service", "training", "loadtest", "bentofile.yaml"}
    assert copied <= set((ROOT / image_tag.DOCKERFILE).read_text().split())


@pytest.fixture
def building(api, cluster, images):
    """Flags that name a registry which has what Kaniko says it pushed, on a cluster whose build succeeds."""

    def finish(job):
        finished("Complete")(job)
        (word,) = (w for w in job["spec"]["template"]["spec"]["containers"][0]["args"] if "--destination=" in w)
        images.tags[word.rpartition(":")[2]] = images.manifest
        pod(api, JOB, "kaniko", NAMESPACE, DIGEST)

    api.script("Job", JOB, *[finish] * 3)
    return ["--registry", images.address, "--registry-insecure", "true", "--training-image", "ada/trainer"]


def test_the_training_image_is_built_once_and_found_again(building, api, images, capsys):
    assert main(["build", "training", "--if-changed", *building]) == 0
    first = capsys.readouterr()
    assert first.out.strip() == DIGEST
    commit = image_tag.head_commit()
    (built,) = (w for w in api.the("Job", JOB)["spec"]["template"]["spec"]["containers"][0]["args"] if "git://" in w)
    assert built.endswith(f"#refs/heads/main#{commit}")
    api.objects.pop(("Job", NAMESPACE, JOB))
    assert main(["build", "training", "--if-changed", *building]) == 0
    second = capsys.readouterr()
    assert second.out.strip() == DIGEST
    assert "not built again: " in second.err
    assert ("Job", NAMESPACE, JOB) not in api.objects
    tag = image_tag.tag(Settings(), commit)
    assert images.tags == {tag: images.manifest, "latest": images.manifest}


@pytest.fixture
def remote(tmp_path, monkeypatch):
    """Let git find this checkout's commit as the branch `main` of https://git.example/qa."""
    bare = tmp_path / "remote.git"
    git(tmp_path, "clone", "--quiet", "--bare", "--shared", str(ROOT), str(bare))
    git(bare, "update-ref", "refs/heads/main", image_tag.head_commit())
    config = {"COUNT": "1", "KEY_0": f"url.{bare}.insteadOf", "VALUE_0": "https://git.example/qa"}
    for name, value in config.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    return ["--git-url", "https://git.example/qa"]


def test_an_image_that_is_built_in_any_case_is_found_again_too(building, remote, api, images, capsys):
    assert main(["build", "training", *building, *remote]) == 0
    assert capsys.readouterr().out.strip() == DIGEST
    tag = image_tag.tag(Settings(), image_tag.head_commit())
    assert images.tags == {tag: images.manifest, "latest": images.manifest}
    (built,) = (w for w in api.the("Job", JOB)["spec"]["template"]["spec"]["containers"][0]["args"] if "git://" in w)
    assert built.endswith(f"#refs/heads/main#{image_tag.head_commit()}")
    assert main(["build", "training", "--if-changed", *building, *remote]) == 0
    assert "not built again: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (
            ["--git-branch", "other"],
            "git can't read branch other of https://git.example/qa from here; set --git-commit",
        ),
        (["--git-commit", "1" * 40], "git can't read the inputs of the training image"),
        (["--registry-check", "false"], "registry_check is off"),
    ],
)
def test_an_image_whose_inputs_are_not_known_is_built_and_that_is_reported(
    building, remote, images, capsys, flags, why
):
    assert main(["build", "training", *building, *remote, *flags]) == 0
    message = capsys.readouterr().err
    assert f"the image has no tag of its inputs, so --if-changed will build it again: {why}" in message
    assert list(images.tags) == ["latest"]


def test_a_registry_without_what_kaniko_pushed_is_reported(building, api, images, capsys):
    api.steps.clear()
    api.script("Job", JOB, finished("Complete"))
    assert main(["build", "training", "--if-changed", *building]) == 4
    assert "is not in the registry" in capsys.readouterr().err
    assert images.tags == {}


def test_what_is_only_read_by_people_makes_no_new_image():
    sources = image_tag.copied_paths((ROOT / image_tag.DOCKERFILE).read_text())
    assert not [source for source in sources if source.endswith((".md", "tests", "deploy"))]
