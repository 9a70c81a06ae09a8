import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bento_service.engines import OnnxEngine, TorchEngine, _cgroup_quota, cpu_count
from tests.commands import ROOT


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
    for session in (engine._narrow, engine._wide):
        assert session.get_session_options().get_session_config_entry("session.force_spinning_stop") == "1"


def test_torch_engine_ignores_padding(torch_engine):
    together = torch_engine.run(*inputs([40, 12]))[0][1, :12]
    ids, mask, types = (array[1:, :12] for array in inputs([40, 12]))
    np.testing.assert_allclose(torch_engine.run(ids, mask, types)[0][0], together, atol=1e-5)


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 0.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/pods/one\n", {"pods/one/cpu.max": "150000 100000\n", "pods/cpu.max": "max 100000\n"}, 1.5),
        ("0::/pods/one\n", {"pods/one/cpu.max": "max 100000\n", "pods/cpu.max": "200000 100000\n"}, 2),
        ("0::/../of/the/host\n", {"cpu.max": "50000 100000\n"}, 0.5),
        ("3:cpu:/\n", {"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.5),
        ("3:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        (
            "4:cpu,cpuacct:/one\n0::/\n",
            {"cpu/one/cpu.cfs_quota_us": "50000\n", "cpu/one/cpu.cfs_period_us": "100000\n"},
            0.5,
        ),
        (None, {}, None),
    ],
)
def test_quota_is_read_from_either_version_of_control_groups(tmp_path, membership, files, expected):
    if membership is not None:
        (tmp_path / "membership").write_text(membership)
    for name, content in files.items():
        path = tmp_path / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert _cgroup_quota(tmp_path / "mount", tmp_path / "membership") == expected


@pytest.fixture
def group():
    """A control group of this test's own that grants half a CPU."""
    root = Path("/sys/fs/cgroup")
    v1 = (root / "cpu").is_dir()
    folder = root / "cpu" / f"qna-test-{os.getpid()}" if v1 else root / f"qna-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        if v1:
            (folder / "cpu.cfs_quota_us").write_text("50000")
        else:
            (folder / "cpu.max").write_text("50000 100000")
        yield folder
    except OSError as error:
        pytest.skip(f"no quota can be set here: {error}")
    finally:
        folder.rmdir()


def test_half_a_cpu_means_one_thread(group, tiny_model):
    code = f"""
import os
open({str(group / "cgroup.procs")!r}, "w").write(str(os.getpid()))
from pathlib import Path
from bento_service.engines import OnnxEngine, cpu_count
print(cpu_count(), OnnxEngine(Path({str(tiny_model / "model.onnx")!r})).workers)
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert said.split() == ["1", "1"]


def test_there_is_at_least_one_cpu():
    assert cpu_count() >= 1
