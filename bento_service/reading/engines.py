"""Token ids to start and end logits: the CPU engine, and torch for a model in full precision or on a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bento_service.reading.cpus import cpu_count

if TYPE_CHECKING:
    import torch

Logits = tuple[NDArray[np.float32], NDArray[np.float32]]


class Engine(Protocol):
    """A network that scores every token as the start and as the end of the answer."""

    batch_size: int
    """Maximum number of windows of a call."""
    workers: int
    """Number of concurrent calls that use all CPUs."""

    def run(
        self,
        input_ids: NDArray[np.int64],
        attention_mask: NDArray[np.int64],
        token_type_ids: NDArray[np.int64],
        *,
        alone: bool = False,
    ) -> Logits:
        """Return (start_logits, end_logits), each (batch, seq_len), for inputs of that shape; thread-safe.

        alone: no other call runs beside it, so it may have all CPUs.
        """
        ...


class OnnxEngine:
    """Runs a graph on the CPU with onnxruntime, one window a call.

    Dynamic int8 derives the scales of activations from all windows of a call. In a batch, an answer would depend on its
    neighbours, and a CPU gains no speed by batches. Concurrent calls have one thread each, and a call that runs alone
    has all threads. one_thread, all_threads: the sessions of these two kinds of call.
    """

    batch_size = 1

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        self.workers = cpu_count() if threads is None else threads
        self.one_thread = _session(path, threads=1)
        self.all_threads = self.one_thread if self.workers == 1 else _session(path, threads=self.workers)
        self._inputs = {tensor.name for tensor in self.one_thread.get_inputs()}

    def run(
        self,
        input_ids: NDArray[np.int64],
        attention_mask: NDArray[np.int64],
        token_type_ids: NDArray[np.int64],
        *,
        alone: bool = False,
    ) -> Logits:
        """Return (start_logits, end_logits), each (1, seq_len). Raises ValueError for several windows, or padding."""
        if len(input_ids) != self.batch_size or not attention_mask.all():
            raise ValueError("the graph reads one window at a time, and attends to every token of it")
        feed = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        feed = {name: array for name, array in feed.items() if name in self._inputs}
        session = self.all_threads if alone else self.one_thread
        start_logits, end_logits = session.run(["start_logits", "end_logits"], feed)
        return start_logits, end_logits


def _session(path: Path, *, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that share a window spin while they wait for each other, since waking them takes long. They stop when the
    # call ends: between requests, spinning would keep an autoscaler from scaling down.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # Otherwise every new sequence length would add a block to the arena, which is never freed.
    options.enable_cpu_mem_arena = False
    # The fused operator is much slower than the sum and the normalisation that it replaces.
    slower = ["SkipLayerNormFusion"]
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=slower
    )


class TorchEngine:
    """A `transformers` span model held in memory; training measures full precision with it."""

    workers = 1

    def __init__(self, model: torch.nn.Module, *, batch_size: int = 16) -> None:
        self.batch_size = batch_size
        self._model = model.train(False)
        self._device = next(model.parameters()).device

    def run(
        self,
        input_ids: NDArray[np.int64],
        attention_mask: NDArray[np.int64],
        token_type_ids: NDArray[np.int64],
        *,
        alone: bool = False,  # noqa: ARG002  # torch has its own threads
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
