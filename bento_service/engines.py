"""Token ids to start and end logits: the CPU engine, and torch for a model in full precision or on a GPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Logits = tuple[NDArray[np.float32], NDArray[np.float32]]


class Engine(Protocol):
    """A network that scores every token as the start and as the end of the answer."""

    batch_size: int
    """Windows one call takes at most."""

    def run(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64], token_type_ids: NDArray[np.int64]
    ) -> Logits:
        """Return (start_logits, end_logits), each (batch, seq_len), for inputs of that shape; thread-safe."""
        ...


def cpu_count() -> int:
    """Return how many CPUs this process may use: its affinity, and its cgroup's quota rounded up; at least 1.

    Libraries count the host's cores; in a pod limited to half a CPU that is far too many threads.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota(Path("/sys/fs/cgroup"))
    return max(1, available if quota is None else min(available, int(np.ceil(quota))))


def _cgroup_quota(root: Path) -> float | None:
    """Return the CPUs that the control group grants (v2 `cpu.max`, else v1 `cpu.cfs_*`); None without a limit."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        micros = int((root / "cpu/cpu.cfs_quota_us").read_text())
        return None if micros <= 0 else micros / int((root / "cpu/cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None


class OnnxEngine:
    """A graph on the CPU by onnxruntime.

    One window a call: dynamic int8 derives its activation scales from all that is in a call, so an answer would
    depend on its neighbours in the batch, and batching gains no speed on a CPU.
    """

    batch_size = 1

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cpu_count() if threads is None else threads
        options.inter_op_num_threads = 1
        # Spinning threads would burn CPU between requests and keep an autoscaler from scaling down.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Every new sequence length would otherwise add an arena block that is never given back.
        options.enable_cpu_mem_arena = False
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._inputs = {tensor.name for tensor in self._session.get_inputs()}

    def run(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64], token_type_ids: NDArray[np.int64]
    ) -> Logits:
        """Return (start_logits, end_logits), each (batch, seq_len)."""
        feed = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        feed = {name: array for name, array in feed.items() if name in self._inputs}
        start_logits, end_logits = self._session.run(["start_logits", "end_logits"], feed)
        return start_logits, end_logits


class TorchEngine:
    """A `transformers` span model held in memory; training measures full precision with it."""

    def __init__(self, model: torch.nn.Module, *, batch_size: int = 16) -> None:
        self.batch_size = batch_size
        self._model = model.train(False)
        self._device = next(model.parameters()).device

    def run(
        self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64], token_type_ids: NDArray[np.int64]
    ) -> Logits:
        """Return (start_logits, end_logits), each (batch, seq_len)."""
        import torch

        feed: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        if getattr(self._model.config, "type_vocab_size", 0) > 1:
            feed["token_type_ids"] = token_type_ids
        tensors = {name: torch.from_numpy(array).to(self._device) for name, array in feed.items()}
        with torch.inference_mode():
            output = self._model(**tensors)
        return output.start_logits.float().cpu().numpy(), output.end_logits.float().cpu().numpy()
