"""What is said of a model that can't be stored."""

import shutil

import bentoml
import pytest

from training import store
from training.errors import StoreError


def test_a_disk_that_is_full_is_named_once_however_many_files_do_not_fit(tiny_model, tmp_path, monkeypatch):
    """As BentoML fails, which copies a finished entry by `shutil.copytree`."""
    full = "[Errno 28] No space left on device: 'model.onnx'"

    def create(*_, **__):
        raise shutil.Error([("model.onnx", "store/model.onnx", full), ("tokenizer.json", "store/tokenizer.json", full)])

    monkeypatch.setattr(bentoml.models, "create", create)
    with pytest.raises(StoreError) as caught:
        store.save("extractive-qa", tiny_model, tmp_path)
    assert f"could not be stored: {full}; the store is as it was" in str(caught.value)
