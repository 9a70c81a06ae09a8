"""The real `python -m training import`, from a folder to what is served."""

import json

import pytest

from bento_service import artifact
from tests.commands import training_command
from tests.training import networks

FLAGS = ("--min-f1", "*=0", "--min-served-ratio", "0", "--max-calibration-error", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return networks.write("roberta", tmp_path_factory.mktemp("checkpoint") / "my-reader")


def test_a_folder_becomes_a_stored_model_and_is_not_made_again(folder, tmp_path):
    done = training_command("import", str(folder), *FLAGS, home=tmp_path)
    tag = done.stdout.strip()
    stored = artifact.load(tmp_path / "models" / tag.replace(":", "/"))
    assert stored.metrics["served"]["precision"] == "int8"
    assert stored.metrics["full_precision"]["overall"]["total"] == stored.metrics["served"]["overall"]["total"] > 100
    assert any("in full precision" in check for check in stored.metrics["gate"])
    assert stored.provenance["base_model"] == {**stored.provenance["base_model"], "name": "my-reader"}
    assert stored.provenance["dev_data"]["sources"] == ["sample"]
    assert str(folder.parent) not in json.dumps(stored.provenance)
    assert stored.reader().settings.max_length == 384

    again = training_command("import", str(folder), *FLAGS, "--if-changed", home=tmp_path)
    assert again.stdout.strip() == tag
    full = training_command("evaluate", tag, "--full-precision", home=tmp_path)
    assert json.loads(full.stdout)["overall"] == stored.metrics["full_precision"]["overall"]


def test_a_checkpoint_below_the_floor_is_refused_and_nothing_is_stored(folder, tmp_path):
    done = training_command("import", str(folder), "--precision", "float32", home=tmp_path, check=False)
    assert done.returncode == 7
    assert "F1 on sample is" in done.stderr
    assert not list((tmp_path / "models").rglob("*.onnx"))


def test_what_is_neither_a_folder_nor_on_the_hub_is_told(tmp_path):
    done = training_command("import", "no-such/reader", home=tmp_path, check=False)
    assert done.returncode == 4
    assert "is no folder, and could not be downloaded from the hub" in done.stderr
