import copy

import numpy as np
import onnx
import pytest
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import AutoModelForQuestionAnswering

from bento_service.reading.engines import OnnxEngine, TorchEngine
from training.export import graph, quantization, sharing
from training.prepare import features

TOKENS = np.random.default_rng(5).integers(5, 300, (12, 24))
ROWS = [{"input_ids": ids.tolist(), "token_type_ids": [0] * 8 + [1] * 16} for ids in TOKENS]


@pytest.fixture
def model(tiny_base):
    """A network with the weakness of trained ones: one channel of every layer's input is far above the rest."""
    model = AutoModelForQuestionAnswering.from_pretrained(tiny_base)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith("LayerNorm.weight"):
                tensor[3] *= 30
    return model.eval()


def logits(engine):
    windows = [[np.array([row[name]]) for name in ("input_ids", "token_type_ids")] for row in ROWS]
    return np.concatenate([engine.run(ids, np.ones_like(ids), types) for ids, types in windows], axis=1)


def test_the_rewritten_network_is_the_same_function(model):
    before = copy.deepcopy(model.state_dict())
    prepared = quantization.prepare(model, ROWS)
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)
    words = model.get_input_embeddings().weight.detach()  # shares its memory
    rounded = prepared.get_input_embeddings()(torch.arange(len(words)))
    torch.testing.assert_close(rounded, words, rtol=0, atol=float(words.abs().max()) / 254)
    words.copy_(rounded)
    np.testing.assert_allclose(logits(TorchEngine(prepared)), logits(TorchEngine(model)), atol=1e-4)


def test_int8_errs_less_than_a_third_of_plain_quantisation(model, tmp_path):
    plain, ours = tmp_path / "plain.onnx", tmp_path / "ours.onnx"
    graph.full_precision(model, tmp_path / "full.onnx")
    quantize_dynamic(tmp_path / "full.onnx", plain, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
    graph.export(model, ours, ROWS)
    expected = logits(TorchEngine(model))
    errors = [np.abs(logits(OnnxEngine(path, threads=1)) - expected).mean() for path in (plain, ours)]
    assert errors[1] < errors[0] / 3


def test_only_a_layer_whose_tokens_differ_much_scales_them(tiny_base):
    model = AutoModelForQuestionAnswering.from_pretrained(tiny_base).eval()
    layer = model.bert.encoder.layer[0]
    inputs: list[torch.Tensor] = []
    layer.intermediate.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0][0]))
    model(**{name: torch.from_numpy(ids) for name, ids in features.inputs(ROWS[0]).items()})
    with torch.no_grad():  # a feature that answers to one token of the first window alone
        token = inputs[0][5]
        layer.intermediate.dense.weight[0] = 1e4 * token
        layer.intermediate.dense.bias[0] = -1e4 * 0.9 * token @ token
    prepared = quantization.prepare(model, ROWS[:1])
    scaling = [name for name, module in prepared.named_modules() if getattr(module, "scales_tokens", False)]
    assert scaling == ["bert.encoder.layer.0.output.dense"]


def test_the_outlier_ratio_is_the_greatest_over_the_median_token():
    layer = quantization.SmoothedLinear(torch.nn.Linear(2, 2), torch.tensor([1.0, 2.0]))
    # Smoothed, the tokens' greatest values are 1, 2 and 12 / 2 = 6.
    assert layer.outlier_ratio(torch.tensor([[1.0, 0.0], [-2.0, 2.0], [3.0, 12.0]])) == 3


def test_layers_that_share_an_input_share_its_scaling(model):
    prepared = quantization.prepare(model, ROWS[:1])
    layers = {name: part for name, part in prepared.named_modules() if isinstance(part, quantization.SmoothedLinear)}
    assert len(layers) == 6 * model.config.num_hidden_layers + 1
    attention = "bert.encoder.layer.0.attention.self"
    query, key, value = (layers[f"{attention}.{name}"].inverse for name in ("query", "key", "value"))
    assert torch.equal(query, key)
    assert torch.equal(key, value)
    assert not torch.equal(query, layers["bert.encoder.layer.0.attention.output.dense"].inverse)


def test_the_word_embeddings_are_stored_as_int8(model, tmp_path):
    graph.export(model, tmp_path / "model.onnx", ROWS)
    table = (model.config.vocab_size, model.config.hidden_size)
    kinds = [t.data_type for t in onnx.load(tmp_path / "model.onnx").graph.initializer if tuple(t.dims) == table]
    assert kinds == [onnx.TensorProto.INT8]


def test_what_is_freed_is_the_rewritten_copy_s_own(model):
    inputs = {name: torch.from_numpy(ids) for name, ids in features.inputs(ROWS[0]).items()}
    before = model(**inputs).start_logits
    prepared = quantization.prepare(model, ROWS[:1])
    own = prepared.get_submodule("bert.encoder.layer.0.output.dense")
    sharing.free(prepared, model)
    assert not any(tensor.numel() for name, tensor in own.named_buffers() if name != "bias")  # which is the model's
    assert torch.equal(model(**inputs).start_logits, before)
