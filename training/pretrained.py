"""The shipped weights: what training changed in all-MiniLM-L6-v2, in half precision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bento_service import artifact
from training.errors import BaseModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from training.base import BaseModel

FOLDER = Path(__file__).parent / "pretrained"
WEIGHTS = "weights.safetensors"


def apply_to(model: PreTrainedModel, folder: Path = FOLDER) -> None:
    """Put the shipped tensors into a model freshly loaded from all-MiniLM-L6-v2.

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


def ship(checkpoint: Path, served: Path, base: BaseModel, folder: Path = FOLDER) -> int:
    """Write the tensors in which `checkpoint` differs from `base`, in half precision; return the bytes written.

    The run's provenance and metrics go beside them, from the artifact in `served`. Raises BaseModelError when the
    run is not finished or did not start from `base`.
    """
    import torch
    from safetensors.torch import load_file, save_file

    try:
        after = load_file(checkpoint / "model.safetensors")
        provenance = json.loads((served / artifact.PROVENANCE).read_bytes())
        metrics = json.loads((served / artifact.METRICS).read_bytes())
    except OSError as error:
        raise BaseModelError(f"{checkpoint.parent} holds no finished run: {error.filename} is missing") from error
    if provenance["base_model"]["sha256"] != base.sha256 or "weights_sha256" in provenance["base_model"]:
        raise BaseModelError(f"{checkpoint.parent} started from another base; only a run from {base.name} can ship")
    before = load_file(base.folder / "model.safetensors")
    changed = {
        name: tensor.to(torch.float16)
        for name, tensor in after.items()
        # The span model keeps the base's tensors under a prefix: "bert.encoder..." was "encoder...".
        if (twin := before.get(name.split(".", 1)[1])) is None or not torch.equal(twin, tensor)
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(changed, folder / WEIGHTS)
    for name, content in ((artifact.PROVENANCE, provenance), (artifact.METRICS, metrics)):
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return (folder / WEIGHTS).stat().st_size
