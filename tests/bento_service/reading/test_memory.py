import pytest

from bento_service.reading.memory import limit_mb, needed_mb


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"memory.max": "512000000\n"}, 512),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/pods/one\n", {"pods/one/memory.max": "max\n", "pods/memory.max": "1000000000\n"}, 1000),
        ("3:memory:/\n", {"memory/memory.limit_in_bytes": "256000000\n"}, 256),
        ("3:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
    ],
)
def test_the_limit_is_read_from_either_version_of_control_groups(tmp_path, membership, files, expected):
    (tmp_path / "membership").write_text(membership)
    for name, content in files.items():
        path = tmp_path / "mount" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert limit_mb(tmp_path / "mount", tmp_path / "membership") == expected


def test_a_second_session_takes_memory_of_its_own():
    # 250 MB of the service; 2 times the graph, and 1.5 times where there are several CPUs.
    assert needed_mb(400e6, cpus=1) == 250 + 800
    assert needed_mb(400e6, cpus=8) == 250 + 800 + 600
    assert needed_mb(0, 1600e6, cpus=1) == 250 + 1600
    assert needed_mb(0, 1600e6, cpus=8) == 250 + 3200
