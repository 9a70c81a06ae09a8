"""Dynamic quantisation: 8-bit weights with a scale for each channel; activations are quantised when the graph runs.

The result equals that of `onnxruntime.quantization.quantize_dynamic`, which the tests verify. That function has three
copies of the network in memory, this one only the weights of one product.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

LEVELS = 64
"""Greatest weight: 7 bits, so that sums of products do not saturate on processors without VNNI."""


def quantize(full: Path, path: Path) -> None:
    """Write a graph whose products with constant weights are integer products. Weights may be in separate files."""
    model = onnx.load(full, load_external_data=False)
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer if _is_matrix(tensor)}
    products = _Products()
    nodes: list[NodeProto] = []
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in weights:
            if node.input[1] not in products.weights:
                products.weights[node.input[1]] = _in_whole_numbers(weights[node.input[1]], full.parent)
            nodes += products.of(node)
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    for name in list(products.weights):
        graph.initializer.extend(products.weights.pop(name))  # copies them, and each original is freed
    onnx.load_external_data_for_model(model, str(full.parent))
    onnx.save(model, path)


class _Products:
    """Integer products. An activation is quantised once for all of its products."""

    def __init__(self) -> None:
        self.weights: dict[str, tuple[TensorProto, TensorProto, TensorProto]] = {}
        self._quantized: set[str] = set()

    def of(self, node: NodeProto) -> Iterator[NodeProto]:
        """Yield the nodes that replace a matrix product."""
        values, (weight, scale, zero) = node.input[0], self.weights[node.input[1]]
        quantized = [f"{values}_{part}" for part in ("quantized", "scale", "zero_point")]
        if values not in self._quantized:
            self._quantized.add(values)
            yield helper.make_node("DynamicQuantizeLinear", [values], quantized)
        result = node.output[0]
        inputs = [quantized[0], weight.name, quantized[2], zero.name]
        yield helper.make_node("MatMulInteger", inputs, [f"{result}_whole"])
        yield helper.make_node("Cast", [f"{result}_whole"], [f"{result}_cast"], to=TensorProto.FLOAT)
        yield helper.make_node("Mul", [quantized[1], scale.name], [f"{result}_scale"])
        yield helper.make_node("Mul", [f"{result}_cast", f"{result}_scale"], [result])


def _is_matrix(tensor: TensorProto) -> bool:
    return len(tensor.dims) == 2 and tensor.data_type == TensorProto.FLOAT


def _in_whole_numbers(tensor: TensorProto, folder: Path) -> tuple[TensorProto, TensorProto, TensorProto]:
    """Return a weight (in, out) as int8, the scale of each of its columns, and their zero points, which are 0."""
    weight = numpy_helper.to_array(tensor, str(folder))
    scale = np.abs(weight).max(0) / np.float32(LEVELS)
    scale[scale < np.finfo(np.float32).tiny] = 1
    whole = np.clip(np.round(weight / scale), -LEVELS, LEVELS).astype(np.int8)
    parts = {"quantized": whole, "scale": scale, "zero_point": np.zeros(len(scale), dtype=np.int8)}
    first, second, third = (numpy_helper.from_array(part, f"{tensor.name}_{name}") for name, part in parts.items())
    return first, second, third
