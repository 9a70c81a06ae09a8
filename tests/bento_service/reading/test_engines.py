from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bento_service.reading.engines import OnnxEngine, TorchEngine


def inputs(rows: list[int]):
    """Random ids of the given lengths, padded to the longest."""
    shape = len(rows), max(rows)
    generator = np.random.default_rng(3)
    mask = np.array([[int(i < length) for i in range(shape[1])] for length in rows], dtype=np.int64)
    return generator.integers(1000, 20000, shape) * mask, mask, np.zeros(shape, dtype=np.int64)


@pytest.fixture(scope="module")
def torch_engine(tiny_store):
    pytest.importorskip("torch", reason="runs the checkpoint, and torch is not installed")
    from transformers import AutoModelForQuestionAnswering

    (folder,) = (path.parent for path in tiny_store.glob("models/extractive-qa-checkpoint/*/model.safetensors"))
    return TorchEngine(AutoModelForQuestionAnswering.from_pretrained(folder))


@pytest.mark.parametrize("rows", [[2], [7], [384]])
def test_the_served_graph_agrees_with_the_checkpoint(tiny_model, torch_engine, rows):
    arguments = inputs(rows)
    served = OnnxEngine(tiny_model / "model.onnx", threads=1).run(*arguments)
    for ours, theirs in zip(served, torch_engine.run(*arguments), strict=True):
        assert ours.shape == (len(rows), max(rows))
        # int8 against float32: the logits of this random network span about 1.
        np.testing.assert_allclose(ours, theirs, atol=0.1)


@pytest.mark.parametrize("rows", [[40, 12], [40, 40]])
def test_a_graph_for_one_window_refuses_more(tiny_model, rows):
    with pytest.raises(ValueError, match="one window at a time"):
        OnnxEngine(tiny_model / "model.onnx", threads=1).run(*inputs(rows))


def test_calls_at_once_say_what_a_call_alone_says(tiny_model):
    engine = OnnxEngine(tiny_model / "model.onnx", threads=2)
    arguments = [inputs([length]) for length in (9, 60, 200, 31) * 4]
    alone = [engine.run(*each, alone=True) for each in arguments]
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda each: engine.run(*each), arguments))
    for expected, found in zip(alone, together, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_spin_only_while_a_window_is_read(tiny_model, threads):
    engine = OnnxEngine(tiny_model / "model.onnx", threads=threads)
    for session in (engine.one_thread, engine.all_threads):
        assert session.get_session_options().get_session_config_entry("session.force_spinning_stop") == "1"


def test_torch_engine_ignores_padding(torch_engine):
    together = torch_engine.run(*inputs([40, 12]))[0][1, :12]
    ids, mask, types = (array[1:, :12] for array in inputs([40, 12]))
    np.testing.assert_allclose(torch_engine.run(ids, mask, types)[0][0], together, atol=1e-5)
