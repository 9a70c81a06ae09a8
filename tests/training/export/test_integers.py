"""Products in whole numbers: those of onnxruntime's quantiser."""

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import AutoModelForQuestionAnswering

from bento_service.reading.engines import OnnxEngine
from tests.training import networks
from training.export import graph
from training.export.integers import quantize


@pytest.mark.parametrize("family", ["bert", "albert"])  # the layers of the second share their weights
def test_it_is_what_onnxruntime_makes_of_the_graph(family, tmp_path):
    folder = networks.write(family, tmp_path / family)
    full, ours, theirs = (tmp_path / f"{name}.onnx" for name in ("full", "ours", "theirs"))
    graph.full_precision(AutoModelForQuestionAnswering.from_pretrained(folder).eval(), full, beside=True)
    assert full.stat().st_size < (tmp_path / "full.onnx.data").stat().st_size
    quantize(full, ours)
    quantize_dynamic(
        full, theirs, op_types_to_quantize=["MatMul"], per_channel=True, reduce_range=True, weight_type=QuantType.QInt8
    )
    ids = np.random.default_rng(3).integers(5, 30000, (1, 40))
    results = [OnnxEngine(path, threads=1).run(ids, np.ones_like(ids), ids * 0) for path in (ours, theirs)]
    for ours_logits, theirs_logits in zip(*results, strict=True):
        np.testing.assert_array_equal(ours_logits, theirs_logits)
    kinds = [sorted(node.op_type for node in onnx.load(path).graph.node) for path in (ours, theirs)]
    assert kinds[0] == kinds[1]
    assert kinds[0].count("MatMulInteger") > 8
