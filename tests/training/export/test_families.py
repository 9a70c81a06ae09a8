"""Networks of other families than BERT, trained, exported and read: hub models are supported by name."""

import shutil
from typing import Any

import pytest
import torch
import transformers

from bento_service.reading.engines import OnnxEngine, TorchEngine
from bento_service.reading.reader import Query, Reader, ReaderSettings
from bento_service.reading.tokenization import TextTokenizer
from training import config, data
from training.export.graph import calibration_rows, export
from training.network import base
from training.network.train import fine_tune

SIZES: dict[str, Any] = {"vocab_size": 30527, "max_position_embeddings": 514}
SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
CONFIGS = {
    "distilbert": transformers.DistilBertConfig(dim=16, n_layers=2, n_heads=2, hidden_dim=32, **SIZES),
    "mpnet": transformers.MPNetConfig(**SMALL, **SIZES),
}


@pytest.mark.parametrize("family", CONFIGS)
def test_a_network_of_another_family_is_trained_and_served(family, tokenizer_file, tmp_path):
    torch.manual_seed(0)
    folder = tmp_path / family
    transformers.AutoModelForQuestionAnswering.from_config(CONFIGS[family]).save_pretrained(folder)
    shutil.copy(tokenizer_file, folder)
    overrides = {"base_model": str(folder), "frozen_layers": 1, "dropout": 0.25, "output_dir": tmp_path / "run"}
    settings = config.load(None, {**overrides, "learning_rate": 0.01, "batch_size": 4})
    tokenizer = TextTokenizer.from_file(folder / "tokenizer.json")
    examples = data.load(["sample:dev"])[:8]
    checkpoint = base.find(str(folder))
    before = base.load(checkpoint, settings)
    assert 0.25 in (getattr(before.config, name, None) for name in ("hidden_dropout_prob", "dropout"))
    after, _ = fine_tune(settings, checkpoint, tokenizer, examples, lambda _: {"exact_match": 0.0, "f1": 0.0})
    untrained = {name for name, tensor in before.state_dict().items() if torch.equal(tensor, after.state_dict()[name])}
    assert {name for name in before.state_dict() if "embeddings" in name or "layer.0." in name} <= untrained
    assert not any("layer.1." in name and name.endswith("weight") for name in untrained)

    reader_settings = ReaderSettings()
    graph = tmp_path / "model.onnx"
    export(after, graph, calibration_rows(examples, tokenizer, reader_settings))
    assert b"site-packages" not in graph.read_bytes(), "the graph names folders of the machine that made it"
    queries = [Query(example.question, example.context) for example in examples]
    served, torch_s = (
        Reader(tokenizer, engine, reader_settings).read(queries) for engine in (OnnxEngine(graph), TorchEngine(after))
    )
    for ours, theirs in zip(served, torch_s, strict=True):
        for (start, end), (full_start, full_end) in zip(ours.logits, theirs.logits, strict=True):
            assert start == pytest.approx(full_start, abs=0.1)
            assert end == pytest.approx(full_end, abs=0.1)
