"""What a command says when its disk is full, in place of what the libraries say."""

import errno
import shutil
from collections import namedtuple

import pytest

from training.commands import room_in
from training.errors import DataError, OutputFolderError

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),  # safetensors
    ],
)
def test_a_full_disk_is_named_with_its_folder_and_what_to_do(tmp_path, error):
    says = r"output folder .* is full: .*; make room and start the same command again"
    with pytest.raises(OutputFolderError, match=says), room_in(tmp_path):
        raise error


def test_a_write_that_fails_without_a_reason_is_put_down_to_a_disk_without_room(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError), room_in(tmp_path):
        raise RuntimeError("unexpected pos 576 vs 534")  # PyTorch
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**30, 2**30, 0))
    with pytest.raises(OutputFolderError, match="is full"), room_in(tmp_path):
        raise RuntimeError("unexpected pos 576 vs 534")


def test_other_errors_are_left_as_they_are(tmp_path):
    with pytest.raises(DataError, match="as it was"), room_in(tmp_path):
        raise DataError("as it was")
    with pytest.raises(KeyError), room_in(tmp_path / "not made yet"):
        raise KeyError("as it was")
