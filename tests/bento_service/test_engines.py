from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bento_service.engines import OnnxEngine, TorchEngine, _cgroup_quota, cpu_count


def inputs(rows: list[int]):
    """Random ids of the given lengths, padded to the longest."""
    shape = len(rows), max(rows)
    generator = np.random.default_rng(3)
    mask = np.array([[int(i < length) for i in range(shape[1])] for length in rows], dtype=np.int64)
    return generator.integers(1000, 20000, shape) * mask, mask, np.zeros(shape, dtype=np.int64)


@pytest.fixture(scope="module")
def torch_engine(tiny_store):
    from transformers import AutoModelForQuestionAnswering

    (folder,) = (path.parent for path in tiny_store.glob("models/extractive-qa-checkpoint/*/model.safetensors"))
    return TorchEngine(AutoModelForQuestionAnswering.from_pretrained(folder))


@pytest.mark.parametrize("rows", [[2], [7], [384], [40, 40, 40]])
def test_the_served_graph_agrees_with_the_checkpoint(tiny_model, torch_engine, rows):
    arguments = inputs(rows)
    served = OnnxEngine(tiny_model / "model.onnx", threads=1).run(*arguments)
    for ours, theirs in zip(served, torch_engine.run(*arguments), strict=True):
        assert ours.shape == (len(rows), max(rows))
        # int8 against float32: the logits of this random network span about 1.
        np.testing.assert_allclose(ours, theirs, atol=0.1)


def test_padding_is_refused_where_it_would_be_read_as_text(tiny_model):
    with pytest.raises(ValueError, match="different lengths"):
        OnnxEngine(tiny_model / "model.onnx", threads=1).run(*inputs([40, 12]))


def test_calls_at_once_say_what_a_call_alone_says(tiny_model):
    engine = OnnxEngine(tiny_model / "model.onnx", threads=2)
    arguments = [inputs([length]) for length in (9, 60, 200, 31) * 4]
    alone = [engine.run(*each) for each in arguments]
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda each: engine.run(*each), arguments))
    for expected, found in zip(alone, together, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_torch_engine_ignores_padding(torch_engine):
    together = torch_engine.run(*inputs([40, 12]))[0][1, :12]
    ids, mask, types = (array[1:, :12] for array in inputs([40, 12]))
    np.testing.assert_allclose(torch_engine.run(ids, mask, types)[0][0], together, atol=1e-5)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_quota_is_read_from_either_version_of_control_groups(tmp_path, files, expected):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert _cgroup_quota(tmp_path) == expected


def test_there_is_at_least_one_cpu():
    assert cpu_count() >= 1
