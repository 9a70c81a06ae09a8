"""The shipped weights: the tensors of all-MiniLM-L6-v2 that training changed, in half precision."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bento_service import artifact
from training.errors import BaseModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from training.network.base import BaseCheckpoint

FOLDER = Path(__file__).parent.parent / "pretrained"
WEIGHTS = "weights.safetensors"
STORED = "stored"
"""The folder of the default model, which `make serve` copies into the model store."""
CALIBRATION = ("temperature", "null_scale", "null_shift")
"""The reader settings that were fitted to the weights, on held-out questions."""


def apply_to(model: PreTrainedModel, folder: Path = FOLDER) -> None:
    """Load the shipped tensors into a model of all-MiniLM-L6-v2.

    Raises BaseModelError when the weights are missing or do not fit the model.
    """
    import torch
    from safetensors.torch import load_file

    path = folder / WEIGHTS
    if not path.is_file():
        raise BaseModelError(f"shipped weights {path} are missing; restore them, or use base_model minilm")
    changed = {name: tensor.to(torch.float32) for name, tensor in load_file(path).items()}
    state = model.state_dict()
    misfits = [name for name, tensor in changed.items() if name not in state or state[name].shape != tensor.shape]
    if misfits:
        raise BaseModelError(f"shipped weights {path} do not fit the base model: {', '.join(misfits[:3])}")
    model.load_state_dict(changed, strict=False)


def provenance() -> dict[str, Any]:
    """Return the provenance of the shipped weights, as `ship` wrote it."""
    content: dict[str, Any] = json.loads((FOLDER / artifact.PROVENANCE).read_bytes())
    return content


def calibration() -> dict[str, float]:
    """Return the reader's settings that were fitted to the shipped weights."""
    content: dict[str, float] = json.loads((FOLDER / artifact.READER).read_bytes())
    return content


def no_answer_share() -> float | None:
    """Return the share of unanswerable questions for which "no answer" was fitted; None: that of its dev data."""
    share: float | None = provenance()["settings"].get("no_answer_share")
    return share


def ship(runs: list[tuple[Path, Path]], base: BaseCheckpoint, folder: Path = FOLDER) -> int:
    """Write the tensors in which the runs' mean differs from `base`, in half precision; return the bytes written.

    runs: the folders of checkpoint and artifact of each. They are averaged as in https://arxiv.org/abs/2203.05482. The
    runs' provenance and metrics are written beside the weights; those of several under "mean_of". The calibration and
    the reference for drift are those of the last run. Raises BaseModelError when a run is not finished, or did not
    start from `base` or from the weights shipped before.
    """
    import torch
    from safetensors.torch import load_file, save_file

    after = [_read_run(checkpoint, served, base) for checkpoint, served in runs]
    before = load_file(base.folder / "model.safetensors")
    changed = {}
    for name in after[0][0]:
        # The span model keeps the base's tensors under a prefix: "bert.encoder..." was "encoder...".
        base_tensor = before.get(name.split(".", 1)[1])
        tensors = [run[name] for run, _, _ in after]
        if base_tensor is None or not all(torch.equal(base_tensor, tensor) for tensor in tensors):
            changed[name] = torch.stack(tensors).mean(0).to(torch.float16)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(changed, folder / WEIGHTS)
    fitted = json.loads((runs[-1][1] / artifact.READER).read_bytes())
    artifact.write_json(folder / artifact.READER, {name: fitted[name] for name in CALIBRATION})
    shutil.copyfile(runs[-1][1] / artifact.REFERENCE, folder / artifact.REFERENCE)
    for name, contents in (
        (artifact.PROVENANCE, [provenance for _, provenance, _ in after]),
        (artifact.METRICS, [metrics for _, _, metrics in after]),
    ):
        content = contents[0] if len(contents) == 1 else {"mean_of": contents}
        artifact.write_json(folder / name, content)
    return (folder / WEIGHTS).stat().st_size


def _read_run(
    checkpoint: Path, served: Path, base: BaseCheckpoint
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return tensors, provenance and metrics of a finished run."""
    from safetensors.torch import load_file

    try:
        tensors = load_file(checkpoint / "model.safetensors")
        provenance = json.loads((served / artifact.PROVENANCE).read_bytes())
        metrics = json.loads((served / artifact.METRICS).read_bytes())
    except OSError as error:
        raise BaseModelError(f"{checkpoint.parent} holds no finished run: {error.filename} is missing") from error
    if provenance["base_model"]["sha256"] != base.sha256:
        raise BaseModelError(f"{checkpoint.parent} started from another base; only a run from {base.name} can ship")
    return tensors, provenance, metrics
