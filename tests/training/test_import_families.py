"""Checkpoints of every family: imported in full precision they say what their network says."""

import numpy as np
import pytest

from bento_service import artifact
from bento_service.reading.engines import TorchEngine
from bento_service.reading.reader import Query, Reader
from bento_service.reading.tokenization import TextTokenizer
from tests.training import networks
from training import candidate, importing
from training.network.checkpoint import find

CONTEXTS = [
    "Ada Okonkwo keeps the lighthouse at Skerryvore. She has two goats.",
    "東京は日本の首都です。 عاصمة فرنسا هي باريس. Zoë eats 🍜.",
    " ".join(f"Keeper {i} keeps lighthouse {i * 7}." for i in range(100)),
]


@pytest.mark.parametrize("family", networks.CONFIGS)
def test_it_answers_as_the_network_does(family, tmp_path):
    checkpoint = find(str(networks.write(family, tmp_path / family)), tmp_path)
    assert checkpoint.positions >= 512
    settings = importing.reader_settings(checkpoint.positions)
    served = tmp_path / "served"
    candidate.write_served(checkpoint.load(), checkpoint.tokenizer, served, settings, {}, [], precision="float32")
    queries = [Query("Who keeps the lighthouse?", context, top_k=3) for context in CONTEXTS]
    tokenizer = TextTokenizer.from_file(checkpoint.tokenizer)
    theirs = Reader(tokenizer, TorchEngine(checkpoint.load(), batch_size=1), settings).read(queries)
    ours = artifact.load(served).reader().read(queries)
    assert len(ours[2].windows) > 1
    for our, their in zip(ours, theirs, strict=True):
        for logits, expected in zip(our.logits, their.logits, strict=True):
            np.testing.assert_allclose(logits, expected, atol=2e-4)
        assert [a.text for a in our.answers(settings)] == [a.text for a in their.answers(settings)]


@pytest.mark.parametrize("family", ["longformer", "big_bird", "modernbert"])
def test_long_windows_are_read_whole(family, tmp_path):
    config = networks.CONFIGS[family]()
    length = min(1000, config.max_position_embeddings - 2)
    checkpoint = find(str(networks.write(family, tmp_path / family)), tmp_path)
    settings = importing.reader_settings(checkpoint.positions, length)
    served = tmp_path / "served"
    candidate.write_served(checkpoint.load(), checkpoint.tokenizer, served, settings, {}, [], precision="float32")
    query = Query("Who keeps the lighthouse?", CONTEXTS[2])
    tokenizer = TextTokenizer.from_file(checkpoint.tokenizer)
    (theirs,) = Reader(tokenizer, TorchEngine(checkpoint.load(), batch_size=1), settings).read([query])
    (ours,) = artifact.load(served).reader().read([query])
    assert max(map(len, ours.windows)) > 500
    for logits, expected in zip(ours.logits, theirs.logits, strict=True):
        np.testing.assert_allclose(logits, expected, atol=2e-4)
