from concurrent.futures import ThreadPoolExecutor

import bentoml
import numpy as np
import pytest

from bento_service import artifact
from bento_service.reading import gpu
from bento_service.reading.engines import TorchEngine
from bento_service.reading.reader import Query, Reader
from bento_service.reading.tokenization import TextTokenizer

torch = pytest.importorskip("torch", reason="a GPU is used by torch, which is not installed")

TAG = bentoml.Tag("extractive-qa", "some-version")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch can use is at hand")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_the_cpu_serves(tmp_path, monkeypatch):
    assert gpu.engine(TAG) is None
    monkeypatch.setattr(gpu, "DRIVER", tmp_path)  # a driver without a device that torch could use
    assert gpu.engine(TAG) is None


@pytest.fixture
def checkpoint(tiny_store):
    (weights,) = tiny_store.glob("models/extractive-qa-checkpoint/*/model.safetensors")
    return weights.parent


@needs_cuda
def test_half_precision_says_what_full_precision_says(checkpoint, tiny_model):
    tokenizer, settings = TextTokenizer.from_file(checkpoint / artifact.TOKENIZER), artifact.load(tiny_model).settings
    from transformers import AutoModelForQuestionAnswering

    full = Reader(tokenizer, TorchEngine(AutoModelForQuestionAnswering.from_pretrained(checkpoint)), settings)
    half = Reader(tokenizer, gpu.half_precision(checkpoint), settings)
    queries = [Query("Who came?", f"In {year} Ada came to Paris. " * (year % 40)) for year in range(1801, 1830)]
    with ThreadPoolExecutor(len(queries)) as callers:
        found = [reading for (reading,) in callers.map(lambda query: half.read([query]), queries)]
    for ours, theirs in zip(found, full.read(queries), strict=True):
        for one, other in zip(ours.logits, theirs.logits, strict=True):
            np.testing.assert_allclose(np.array(one), np.array(other), atol=0.02)


@needs_cuda
def test_a_bento_without_the_checkpoint_is_served_by_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "DRIVER", tmp_path)
    assert gpu.engine(TAG) is None
