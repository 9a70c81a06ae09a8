"""Whether a run would only make the model that is there already."""

import shutil

import pytest

from tests.commands import training_command
from training import config, provenance
from training.errors import DataError
from training.network import base

NOW = {
    "base_model": {"name": "minilm", "sha256": "1"},
    "data": {"sources": ["mine"], "questions": 3, "sha256": "2"},
    "dev_data": {"sources": ["mine"], "questions": 1, "sha256": "3"},
    "settings": {"epochs": 1.0, "seed": 17},
    "versions": {"torch": "2.13.0"},
    "code": "4",
}


def test_the_same_origin_has_not_changed_whenever_and_at_whatever_commit():
    before = NOW | {"created": "2026-01-01", "commit": "5"}
    assert provenance.changes(before, NOW | {"created": "2026-02-02", "commit": "6"}) == []


def test_what_has_changed_is_named():
    before = NOW | {"data": {"sha256": "0"}, "settings": {"epochs": 3.0, "seed": 17, "dropout": 0.1}, "versions": {}}
    del before["code"]  # a model stored before the code was noted
    assert provenance.changes(before, NOW) == [
        "data",
        "code",
        "epochs (3.0 -> 1.0)",
        "dropout (0.1 -> None)",
        "torch (None -> 2.13.0)",
    ]


def test_a_label_file_that_is_missing_is_named(tiny_base, tmp_path):
    settings = config.load(None, {"base_model": str(tiny_base), "labels": [tmp_path / "labels.jsonl"]})
    with pytest.raises(DataError, match=r"label file .*labels\.jsonl: No such file"):
        provenance.provenance(settings, base.find(str(tiny_base)), [], [])


def test_code_is_what_the_modules_that_training_imports_say(tmp_path, monkeypatch):
    package = tmp_path / "training"
    package.mkdir()
    (package / "__init__.py").touch()
    start, used, unused = (package / f"{name}.py" for name in ("pipeline", "used", "unused"))
    start.write_text("import json\n\ndef run():\n    from training import used\n    return used\n")
    used.write_text("X = 1\n")
    unused.write_text("Y = 1\n")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    first = provenance.code(start)
    used.write_text("# a comment\nX = 1\n")
    unused.write_text("Y = 2\n")
    assert provenance.code(start) == first
    used.write_text("X = 2\n")
    assert provenance.code(start) != first


def test_a_run_that_would_repeat_the_stored_model_trains_none(tiny_store, tiny_model, tiny_settings, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(tiny_store / "models", home / "models")
    words = ["train", *tiny_settings, "--if-changed", "--output-dir", str(tmp_path / "run")]
    tag = f"extractive-qa:{tiny_model.name}"
    done = training_command(*words, "--tag-file", str(tmp_path / "tag"), home=home)
    assert done.stdout.strip() == (tmp_path / "tag").read_text() == tag
    assert f"nothing has changed since {tag}" in done.stderr
    assert not (tmp_path / "run").exists()
    # What has changed is said before anything is written; a folder that is a file ends this one there.
    (tmp_path / "file").touch()
    changed = ["--max-examples", "16", "--output-dir", str(tmp_path / "file")]
    again = training_command(*words, *changed, home=home, check=False)
    assert again.returncode == 5
    assert f"changed since {tag}: data, max_examples (32 -> 16)" in again.stderr
