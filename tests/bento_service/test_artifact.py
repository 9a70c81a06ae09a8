import shutil
import subprocess

import pytest

from bento_service import artifact
from bento_service.errors import ArtifactError, NotEnoughMemory
from bento_service.reading import memory
from bento_service.reading.reader import Query


@pytest.fixture
def stored(tmp_path, tiny_model):
    return shutil.copytree(tiny_model, tmp_path / "model")


def test_a_stored_model_reads_and_says_where_it_came_from(stored):
    loaded = artifact.load(stored)
    assert loaded.reader().answer(Query("who?", "It was Ada."))[0].text
    assert loaded.provenance["data"]["questions"] > 0
    assert loaded.metrics["served"]["precision"] == "int8"


def test_checksums_are_in_the_format_of_sha256sum(stored):
    subprocess.run(["sha256sum", "--check", "--strict", artifact.CHECKSUMS], cwd=stored, check=True)


@pytest.mark.parametrize("name", artifact.FILES)
def test_a_changed_byte_is_refused_with_the_files_name(stored, name):
    content = bytearray((stored / name).read_bytes())
    content[len(content) // 2] ^= 1
    (stored / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"{name} has changed"):
        artifact.load(stored)


@pytest.mark.parametrize("name", [*artifact.FILES, artifact.CHECKSUMS])
def test_a_missing_file_is_refused_with_its_name(stored, name):
    (stored / name).unlink()
    with pytest.raises(ArtifactError, match=f"{name} is missing"):
        artifact.load(stored)


@pytest.mark.parametrize("content", ["", "garbage", "\xff"])
def test_broken_checksums_are_refused(stored, content):
    (stored / artifact.CHECKSUMS).write_text(content, encoding="latin-1")
    with pytest.raises(ArtifactError, match=artifact.CHECKSUMS):
        artifact.load(stored)


def test_a_model_that_needs_more_memory_than_there_is_is_refused(tiny_model, monkeypatch):
    artifact.check_memory(tiny_model)
    needed = artifact.needed_mb(tiny_model)
    monkeypatch.setattr(memory, "limit_mb", lambda: needed - 1)
    with pytest.raises(NotEnoughMemory, match=f"needs about {needed} MB to be served, and this process may use"):
        artifact.check_memory(tiny_model)
