"""Loads a span reader's checkpoint from the hub or a folder. Other kinds of network are refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bento_service import artifact
from bento_service.reading.tokenization import TextTokenizer
from training.errors import BaseModelError
from training.network import base as base_models

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SPAN_READER = "ForQuestionAnswering"
POINTER = b"version https://git-lfs.github.com/spec/v1"
"""The beginning of a Git LFS pointer, which replaces a file that has not been fetched."""
LARGEST_GRAPH = 2**31
"""Bytes of a graph in one file (protobuf's limit); an int8 graph has one for each parameter."""

_ENDINGS = {
    "ForSequenceClassification": "classifies whole texts",
    "ForTokenClassification": "labels words",
    "ForMaskedLM": "fills in masked words",
    "ForPreTraining": "was pre-trained and not taught to answer",
    "ForMultipleChoice": "chooses among given answers",
    "ForCausalLM": "writes on from a text",
    "LMHeadModel": "writes on from a text",
    "ForConditionalGeneration": "writes a text",
    "Model": "is an encoder without a head",
}
"""The purpose of a network, by the end of its class's name."""


@dataclass(frozen=True)
class Checkpoint:
    """A span reader in a folder.

    tokenizer: its `tokenizer.json`. positions: tokens that it can read. sha256: of its weights.
    """

    name: str
    folder: Path
    tokenizer: Path
    positions: int
    parameters: int
    sha256: str

    def load(self) -> PreTrainedModel:
        """Load the network in full precision on the CPU. Each call loads it again, so that no copy stays in memory."""
        return _network(self.name, self.folder)


def find(name: str, scratch: Path) -> Checkpoint:
    """Find a checkpoint, on the hub or in a folder, and check that it can be loaded.

    scratch: folder for a `tokenizer.json` that is created if there is none. No code of a checkpoint is run. Raises
    BaseModelError with what the checkpoint lacks, or what it is instead of a span reader.
    """
    folder = Path(name) if Path(name).is_dir() else base_models.download(name)
    shown = folder.name if Path(name).is_dir() else name
    config = _config(shown, folder)
    _check_kind(shown, config)
    weights = _weights(shown, folder)
    _check_code(shown, config)
    model = _network(shown, folder)
    tokenizer = _tokenizer(shown, folder, scratch)
    _check_vocabulary(shown, tokenizer, model)
    positions, sha256 = base_models.positions_of(config), base_models.sha256_of(weights)
    return Checkpoint(shown, folder, tokenizer, positions, model.num_parameters(), sha256)


def _config(name: str, folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise BaseModelError(f"checkpoint {name}: {folder} holds no config.json; is this the folder of a checkpoint?")
    _check_fetched(name, path)
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BaseModelError(f"checkpoint {name}: config.json is not JSON: {error}; download it again") from error
    if not isinstance(config, dict):
        raise BaseModelError(f"checkpoint {name}: config.json holds no settings; download it again")
    return config


def _check_fetched(name: str, path: Path) -> None:
    with path.open("rb") as stream:
        if stream.read(len(POINTER)) == POINTER:
            raise BaseModelError(
                f"checkpoint {name}: {path.name} is a pointer of Git LFS, not the file itself; "
                f"run `git lfs pull` in {path.parent}"
            )


def _check_kind(name: str, config: dict[str, Any]) -> None:
    """Refuse a checkpoint whose configuration names another kind of network."""
    architectures = [str(architecture) for architecture in config.get("architectures") or ()]
    if not architectures or any(SPAN_READER in architecture for architecture in architectures):
        return
    purposes = (purpose for ending, purpose in _ENDINGS.items() if architectures[0].endswith(ending))
    raise BaseModelError(
        f"checkpoint {name} is a {architectures[0]}, which {next(purposes, 'is no span reader')}; "
        f"name a checkpoint whose class is a ...{SPAN_READER}, or teach an encoder: "
        f"`python -m training train --base-model {name}`"
    )


def _weights(name: str, folder: Path) -> list[Path]:
    """Return the files of the weights, whole and fetched, in order."""
    for single, index in (
        ("model.safetensors", "model.safetensors.index.json"),
        ("pytorch_model.bin", "pytorch_model.bin.index.json"),
    ):
        if (folder / single).is_file():
            names = [single]
        elif (folder / index).is_file():
            _check_fetched(name, folder / index)
            names = sorted(set(json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"].values()))
            if missing := [shard for shard in names if not (folder / shard).is_file()]:
                raise BaseModelError(
                    f"checkpoint {name}: {index} lists {', '.join(missing)}, which {folder} lacks; download it again"
                )
        else:
            continue
        for part in names:
            _check_fetched(name, folder / part)
        return [folder / part for part in names]
    others = sorted(path.name for pattern in ("*.h5", "*.msgpack", "*.onnx", "*.gguf") for path in folder.glob(pattern))
    only = f", only {', '.join(others)}" if others else ""
    raise BaseModelError(
        f"checkpoint {name}: {folder} holds neither model.safetensors nor pytorch_model.bin{only}; download them"
    )


def _check_code(name: str, config: dict[str, Any]) -> None:
    if config.get("auto_map") and not config.get("model_type"):
        raise BaseModelError(f"checkpoint {name} needs code of its own (auto_map), and no code of a checkpoint is run")


def _network(name: str, folder: Path) -> PreTrainedModel:
    import torch
    from transformers import AutoModelForQuestionAnswering
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model, loading = AutoModelForQuestionAnswering.from_pretrained(
            folder, dtype=torch.float32, weights_only=True, output_loading_info=True
        )
    except Exception as error:  # transformers, torch and safetensors each have errors of their own
        raise BaseModelError(
            f"checkpoint {name} could not be loaded: {type(error).__name__}: {first_line(error)}"
        ) from error
    if missing := sorted(loading["missing_keys"]):
        listed = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise BaseModelError(
            f"checkpoint {name} lacks weights of a span reader: {listed}; it is no finished one: "
            f"`python -m training train --base-model {name}` teaches an encoder"
        )
    if model.num_parameters() > LARGEST_GRAPH:
        raise BaseModelError(
            f"checkpoint {name} has {model.num_parameters() / 1e6:.0f} M parameters; "
            f"an int8 graph holds {LARGEST_GRAPH / 1e6:.0f} M at most"
        )
    if model.config.model_type == "big_bird":
        model.base_model.set_attention_type("original_full")  # as the model itself does for windows up to 704 tokens
    return model.eval()  # type: ignore[no-any-return]


def _tokenizer(name: str, folder: Path, scratch: Path) -> Path:
    """Return the checkpoint's `tokenizer.json`; without one, create it from its other files."""
    own = folder / artifact.TOKENIZER
    if own.is_file():
        _check_fetched(name, own)
        return own
    vocabulary = _vocabulary_files(folder)
    for path in vocabulary:
        _check_fetched(name, path)
    names = ", ".join(path.name for path in vocabulary)
    if not vocabulary:
        raise BaseModelError(
            f"checkpoint {name}: {folder} holds no tokenizer.json, and no vocabulary to make one of "
            "(vocab.txt, vocab.json with merges.txt, a sentencepiece model); download the tokenizer too"
        )
    from transformers import AutoTokenizer

    target = scratch / "tokenizer"
    target.mkdir()
    try:
        AutoTokenizer.from_pretrained(folder).backend_tokenizer.save(str(target / artifact.TOKENIZER))
    except Exception as error:  # many classes, by kind of tokenizer
        raise BaseModelError(
            f"checkpoint {name}: tokenizer.json is missing and could not be made of what is there ({names}): "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error
    return target / artifact.TOKENIZER


def _vocabulary_files(folder: Path) -> list[Path]:
    return [path for pattern in ("vocab.*", "merges.txt", "*.model") for path in sorted(folder.glob(pattern))]


def _check_vocabulary(name: str, tokenizer: Path, model: PreTrainedModel) -> None:
    """Refuse a tokenizer that does not fit the network, or that knows no words."""
    try:
        loaded = TextTokenizer.from_file(tokenizer)
    except Exception as error:  # tokenizers raises plain Exception; IndexError: no token for a letter
        raise BaseModelError(f"checkpoint {name}: its tokenizer cannot be used: {first_line(error)}") from error
    table: Any = model.get_input_embeddings()
    rows: int = table.weight.shape[0]
    (tokens,) = loaded.encode(["The answer is 42."])
    if not len(tokens) or max(*loaded.special.prefix, *loaded.special.suffix, *tokens.ids.tolist()) >= rows:
        raise BaseModelError(
            f"checkpoint {name}: its tokenizer does not go with its network of {rows} words; download both again"
        )


def first_line(error: Exception) -> str:
    """Return the first line of an error, cut to 200 characters."""
    return (str(error).splitlines() or [""])[0][:200]
