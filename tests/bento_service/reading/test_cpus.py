import os
import subprocess
import sys
from pathlib import Path

import pytest

from bento_service.reading.cpus import cgroup_quota, cpu_count
from tests.commands import ROOT


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
    assert cgroup_quota(tmp_path / "mount", tmp_path / "membership") == expected


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
from bento_service.reading.cpus import cpu_count
from bento_service.reading.engines import OnnxEngine
print(cpu_count(), OnnxEngine(Path({str(tiny_model / "model.onnx")!r})).workers)
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert said.split() == ["1", "1"]


def test_there_is_at_least_one_cpu():
    assert cpu_count() >= 1
