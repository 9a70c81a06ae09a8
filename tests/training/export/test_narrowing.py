import numpy as np
import pytest
import torch
import transformers
from transformers import AutoModelForQuestionAnswering

from bento_service.reading.engines import OnnxEngine, TorchEngine
from training.export import graph, narrowing

SIZES = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 4,
    "max_position_embeddings": 514,
}
TOKENS = np.random.default_rng(3)
ROWS = [
    {"input_ids": TOKENS.integers(5, 300, length).tolist(), "token_type_ids": [0] * 9 + [1] * (length - 9)}
    for length in TOKENS.integers(60, 200, 24)
]
UNTYPED = [row | {"token_type_ids": [0] * len(row["input_ids"])} for row in ROWS]


def model_of(kind):
    torch.manual_seed(1)
    return AutoModelForQuestionAnswering.from_config(kind(**SIZES)).eval()


@pytest.fixture
def model():
    """A network whose layers add to what they are given, as trained ones do: the last ones move the logits little."""
    return model_of(transformers.BertConfig)


def narrow(model):
    narrowed = narrowing.narrow(model, ROWS[:16])
    assert isinstance(narrowed, narrowing.NarrowingModel), "no layer narrows"
    return narrowed


def arrays(row):
    ids, types = (np.array([row[name]]) for name in ("input_ids", "token_type_ids"))
    return ids, np.ones_like(ids), types


def best(logits):
    return [int(side[0].argmax()) for side in logits]


def test_the_best_start_and_end_are_those_of_the_whole_network(model):
    narrowed = narrow(model)
    assert all(parts <= narrowing.MAX_PARTS for parts in narrowed.parts.values())
    for row in ROWS[16:]:
        assert best(TorchEngine(narrowed).run(*arrays(row))) == best(TorchEngine(model).run(*arrays(row)))


def test_what_is_left_out_cannot_be_the_answer_and_no_answer_is_never_left_out(model):
    narrowed, row = narrow(model), ROWS[0]
    actual, whole = (TorchEngine(network).run(*arrays(row)) for network in (narrowed, model))
    size = len(row["input_ids"])
    kept = size
    for parts in narrowed.parts.values():
        kept = min(kept, narrowing.MIN_KEPT + kept * parts // narrowing.PARTS)
    for side, full in zip(actual, whole, strict=True):
        left_out = side[0] < side.max() - narrowing.PRUNED_PENALTY / 2
        assert left_out.sum() == size - kept
        assert not left_out[0]
        np.testing.assert_allclose(side[0][~left_out], full[0][~left_out], atol=0.2)


def test_a_short_window_is_read_whole(model):
    row = {name: ids[: narrowing.MIN_KEPT] for name, ids in ROWS[0].items()}
    narrowed = narrow(model)
    actual, whole = (TorchEngine(network).run(*arrays(row)) for network in (narrowed, model))
    np.testing.assert_allclose(actual, whole, atol=1e-5)


@pytest.mark.parametrize("length", [2, 33, 150, 512])
def test_the_exported_graph_narrows_at_every_length(model, tmp_path, length):
    narrowed = narrow(model)
    graph.full_precision(narrowed, tmp_path / "model.onnx")
    ids = np.random.default_rng(length).integers(5, 300, (1, length))
    inputs = ids, np.ones_like(ids), np.zeros_like(ids)
    served = OnnxEngine(tmp_path / "model.onnx", threads=1).run(*inputs)
    np.testing.assert_allclose(served, TorchEngine(narrowed).run(*inputs), atol=1e-4)


def test_without_narrowing_the_graph_is_that_of_the_whole_network(model, tmp_path):
    whole, exported, narrowed = (tmp_path / f"{name}.onnx" for name in ("whole", "exported", "narrowed"))
    graph.int8(model, whole, ROWS[:16])
    graph.export(model, exported, ROWS[:16], narrowing=False)
    graph.export(model, narrowed, ROWS[:16])
    expected, actual, fewer = (
        OnnxEngine(path, threads=1).run(*arrays(ROWS[0])) for path in (whole, exported, narrowed)
    )
    np.testing.assert_array_equal(actual, expected)
    assert not np.allclose(fewer, expected, atol=1)


def test_a_family_built_as_bert_narrows_too():
    model = model_of(transformers.RobertaConfig)
    narrowed = narrowing.narrow(model, UNTYPED)
    assert isinstance(narrowed, narrowing.NarrowingModel)
    assert best(TorchEngine(narrowed).run(*arrays(UNTYPED[0]))) == best(TorchEngine(model).run(*arrays(UNTYPED[0])))


@pytest.mark.parametrize("kind", [transformers.MPNetConfig, transformers.FNetConfig, transformers.ElectraConfig])
def test_another_family_is_left_as_it_is(kind):
    model = model_of(kind)
    narrowed = narrowing.narrow(model, UNTYPED)
    assert type(narrowed) is type(model)


def test_a_network_that_decides_in_its_last_layer_is_left_as_it_is(model):
    with torch.no_grad():
        model.bert.encoder.layer[-1].output.dense.weight.mul_(1e3)
    narrowed = narrowing.narrow(model, ROWS)
    assert type(narrowed) is type(model)


def test_a_layer_needs_the_tokens_that_the_probe_ranks_before_the_best_ones():
    # Ranked by their greater prediction: token 0, 3, 1, 2. The best start is token 3, the best end token 1: half go on.
    prediction = torch.tensor([[5.0, 0.0], [1.0, 2.0], [0.0, 1.0], [3.0, 3.0]])
    logits = torch.tensor([[0.0, 0.0], [1.0, 9.0], [0.0, 0.0], [4.0, 2.0]])
    assert narrowing.required_share(prediction, logits) == 2 / 4
