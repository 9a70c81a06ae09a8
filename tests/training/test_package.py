"""What is packaged: these files and no others, and it answers as the source tree does."""

import re
import tarfile

import httpx
import pytest
import yaml

from bento_service.schema import EXAMPLE_REQUEST
from tests.commands import ROOT, training_command
from tests.servers import serve_alone

CONTEXT_LIMIT_BYTES = 40e6
"""The default model's graph and tokenizer are 24 MB."""


@pytest.fixture(scope="module")
def context(tiny_store, tmp_path_factory):
    """The Bento's tag, and the folder that its exported image context unpacks to."""
    folder = tmp_path_factory.mktemp("context")
    done = training_command("package", "--context", str(folder / "context.tar.gz"), home=tiny_store)
    with tarfile.open(folder / "context.tar.gz", "r:gz") as archive:
        archive.extractall(folder / "unpacked", filter="data")
    assert sorted(path.name for path in folder.iterdir()) == ["context.tar.gz", "unpacked"]  # nothing half written
    return done.stdout.strip(), folder / "unpacked"


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_it_holds_the_service_and_its_model_alone(context, tiny_model):
    _, folder = context
    package = ROOT / "bento_service"
    served = [*package.rglob("*.py"), *(package / "page").iterdir()]
    sources = [f"src/{path.relative_to(ROOT).as_posix()}" for path in served]
    pinned = f"models/extractive-qa/{tiny_model.name}"
    model = [f"{pinned}/{path.name}" for path in tiny_model.iterdir()]
    docker = [f"env/docker/{name}" for name in ("Dockerfile", "Dockerfile.template", "entrypoint.sh")]
    python = [f"env/python/{name}" for name in ("install.sh", "requirements.txt", "version.txt")]
    about = ["README.md", "apis/openapi.yaml", "apis/schema.json", "bento.yaml", "src/bentofile.yaml"]
    about += ["src/requirements/serve.cdx.json"]
    latest = ["models/extractive-qa/latest"]
    assert files(folder) == sorted([*sources, *model, *latest, *docker, *python, *about])
    assert sum(path.stat().st_size for path in folder.rglob("*")) < CONTEXT_LIMIT_BYTES


def test_the_model_is_pinned_and_every_dependency_too(context, tiny_model):
    tag, folder = context
    bento = yaml.safe_load((folder / "bento.yaml").read_text())
    assert tag == f"{bento['name']}:{bento['version']}"
    assert [model["tag"] for model in bento["services"][0]["models"]] == [f"extractive-qa:{tiny_model.name}"]
    text = (folder / "env/python/requirements.txt").read_text()
    required = re.findall(r"^([a-z0-9-]+)==\S+((?:.*\\\n)*.*)", text, re.MULTILINE)
    unhashed = [name for name, rest in required if "--hash=sha256:" not in rest]
    assert unhashed == ["bentoml"]  # BentoML adds a line of its own to that of the list
    names = [name for name, _ in required]
    assert names.count("bentoml") == 2
    assert len(names) == len(re.findall(r"^\w", text, re.MULTILINE))
    assert not {"torch", "transformers", "flask", "fastapi"} & set(names)


def test_the_image_installs_only_what_has_a_listed_hash(context):
    dockerfile = (context[1] / "env/docker/Dockerfile").read_text()
    assert "--require-hashes" in dockerfile
    assert dockerfile.count("install --quiet") == 1


def test_the_base_is_pinned_by_digest_and_can_be_another(context):
    dockerfile = (context[1] / "env/docker/Dockerfile").read_text()
    assert "\nARG BASE_IMAGE=python:3.11.16-slim-bookworm@sha256:" in dockerfile
    assert dockerfile.count("FROM ${BASE_IMAGE}") == dockerfile.count("FROM ") == 2
    assert "--mount" not in dockerfile  # BuildKit's syntax, which Kaniko does not read


def test_it_answers_like_the_source_tree(context, client, tmp_path):
    tag, folder = context
    with serve_alone(folder, tmp_path) as alone:
        assert httpx.get(f"{alone.url}/health", timeout=30).json()["bento"] == tag
        alike = httpx.post(f"{alone.url}/answer", json=EXAMPLE_REQUEST, timeout=30).json()
        assert client.post("/answer", json=EXAMPLE_REQUEST).json() == alike


def test_a_store_without_a_model_is_said(tmp_path):
    done = training_command("package", home=tmp_path, check=False)
    assert done.returncode == 6
    assert "`python -m training train` makes one" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_exported_is_not_kept(tiny_store, tmp_path):
    kept = files(tiny_store / "bentos")
    (tmp_path / "file").touch()
    done = training_command(
        "package", "--context", str(tmp_path / "file" / "context.tar.gz"), home=tiny_store, check=False
    )
    assert done.returncode == 6
    assert files(tiny_store / "bentos") == kept
