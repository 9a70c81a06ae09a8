"""Any checkpoint that finds spans to a stored model, without training: load, export, measure, gate, store."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bento_service import artifact
from bento_service.reading.engines import TorchEngine
from bento_service.reading.reader import Reader, ReaderSettings
from bento_service.reading.tokenization import TextTokenizer
from training import candidate, data, store
from training.errors import BaseModelError, GateError
from training.export.graph import calibration_rows
from training.measure import gate
from training.measure.evaluate import read
from training.network import base as base_models
from training.provenance import describe_import

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from training.config import GateSettings
    from training.data import Example
    from training.measure.evaluate import Readings

logger = logging.getLogger(__name__)

SPAN_READER = "ForQuestionAnswering"
POINTER = b"version https://git-lfs.github.com/spec/v1"
"""What a file of Git LFS begins with where the file itself has not been fetched."""
LARGEST_GRAPH = 2**31
"""Bytes of a graph in one file (protobuf's limit)."""
LARGEST_WINDOW, OVERLAP = 384, 64
"""Tokens of a window and of the overlap of two, where the network has positions for them; what `train` takes too."""
CALIBRATION = ("sample:train",)
"""Questions that show the exporter how great the network's values get; never those that are measured on."""

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
"""What a network does, by the end of its class's name."""


@dataclass(frozen=True)
class Checkpoint:
    """A span reader in full precision. tokenizer: its `tokenizer.json`. sha256: of its weight files."""

    name: str
    model: PreTrainedModel
    tokenizer: Path
    positions: int
    sha256: str


def run(
    name: str,
    *,
    model_name: str,
    gate_settings: GateSettings,
    data_sources: Iterable[str] = ("sample:dev",),
    precision: str | None = None,
    if_changed: bool = False,
) -> str:
    """Import a checkpoint by its hub name or folder, and return the stored model's tag.

    data_sources: what it is measured on, and its confidence fitted to. precision: int8 or float32; None: int8, unless
    that fails or costs more than the gate allows. if_changed: where that would only repeat the model in production, or
    the newest, return that one's tag. Raises TrainingError, GateError among them; the store is then as it
    was.
    """
    sources = tuple(data_sources)
    examples = data.load(sources)
    with tempfile.TemporaryDirectory(prefix="qna-import-") as scratch:
        folder = Path(scratch)
        checkpoint = load(name, folder)
        origin = {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            **describe_import(checkpoint.name, checkpoint.sha256, examples, sources),
        }
        if if_changed and (tag := candidate.unchanged_model(model_name, origin)) is not None:
            return tag
        importing = Import(checkpoint, folder, examples, gate_settings, model_name, origin)
        metrics = importing.choose(precision)
        (folder / "checkpoint").mkdir()
        candidate.write_checkpoint(checkpoint.model, checkpoint.tokenizer.parent, folder / "checkpoint")
        return store.save(model_name, importing.served, folder / "checkpoint", metrics, origin)


@dataclass(frozen=True)
class Import:
    """One checkpoint on its way to the store."""

    checkpoint: Checkpoint
    folder: Path
    examples: list[Example]
    gate_settings: GateSettings
    model_name: str
    origin: dict[str, Any]

    @property
    def served(self) -> Path:
        """Where the artifact is written."""
        return self.folder / "served"

    def choose(self, precision: str | None) -> dict[str, Any]:
        """Write and seal the artifact, and return its metrics. Raises GateError when no precision passes."""
        settings = reader_settings(self.checkpoint.positions)
        tokenizer = TextTokenizer.from_file(self.checkpoint.tokenizer)
        full = read(Reader(tokenizer, TorchEngine(self.checkpoint.model), settings), self.examples, progress=True)
        why = None
        if precision != "float32":
            try:
                return self._export_and_measure("int8", tokenizer, settings, full)
            except _Int8Error as error:
                if precision == "int8":
                    raise GateError(f"{error}; leave out --precision, or ask for float32") from error
                why = str(error)
            logger.warning("%s; stored in float32 instead", why)
        return self._export_and_measure("float32", tokenizer, settings, full, why)

    def _export_and_measure(
        self,
        precision: str,
        tokenizer: TextTokenizer,
        settings: ReaderSettings,
        full: Readings,
        why: str | None = None,
    ) -> dict[str, Any]:
        """Write and measure the artifact in one precision. Raises GateError or _Int8Error."""
        try:
            rows = calibration_rows(data.load(CALIBRATION), tokenizer, settings) if precision == "int8" else []
            candidate.write_served(
                self.checkpoint.model,
                self.checkpoint.tokenizer,
                self.served,
                settings,
                self.origin,
                rows,
                precision=precision,
            )
            metrics, checks = candidate.measure(
                self.served, self.gate_settings, self.model_name, self.examples, full, precision=precision
            )
        except Exception as error:  # exporters and engines raise what they like
            if precision == "int8":
                raise _Int8Error(f"the int8 graph fails: {type(error).__name__}: {_first_line(error)}") from error
            raise
        failed = [str(check) for check in checks if check.figure == gate.SERVED_RATIO and not check.passed]
        if precision == "int8" and failed:
            raise _Int8Error(f"int8 costs too much: {'; '.join(failed)}")
        metrics["gate"] = [str(check) for check in checks]
        if why is not None:
            metrics["served"]["instead_of_int8"] = why
        candidate.seal(self.served, metrics)
        gate.judge(checks)
        return metrics


class _Int8Error(Exception):
    """The int8 graph fails, or costs more than the gate allows."""


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]


def reader_settings(positions: int) -> ReaderSettings:
    """Return how a network with so many positions is read, before its confidence is fitted."""
    max_length = min(LARGEST_WINDOW, positions)
    return ReaderSettings(max_length=max_length, doc_stride=min(OVERLAP, max_length // 4))


def load(name: str, scratch: Path) -> Checkpoint:
    """Load a checkpoint, from the hub or a folder, in full precision on the CPU.

    scratch: where `tokenizer.json` is made if there is none. Weights are loaded as weights, never as code.
    Raises BaseModelError that says what the checkpoint lacks, or what it is instead of a span reader.
    """
    folder = Path(name) if Path(name).is_dir() else base_models.download(name)
    shown = folder.name if Path(name).is_dir() else name
    config = _config(shown, folder)
    _check_kind(shown, config)
    weights = _weights(shown, folder)
    model = _network(shown, folder, config)
    tokenizer = _tokenizer(shown, folder, scratch)
    _check_vocabulary(shown, tokenizer, model)
    return Checkpoint(shown, model, tokenizer, base_models.max_positions(folder), base_models.sha256_of(weights))


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
    """Refuse what says itself that it is no span reader."""
    architectures = [str(architecture) for architecture in config.get("architectures") or ()]
    if not architectures or any(SPAN_READER in architecture for architecture in architectures):
        return
    does = next((what for ending, what in _ENDINGS.items() if architectures[0].endswith(ending)), "is no span reader")
    raise BaseModelError(
        f"checkpoint {name} is a {architectures[0]}, which {does}; name a checkpoint whose class is a "
        f"...{SPAN_READER}, or teach an encoder: `python -m training train --base-model {name}`"
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
    there = f", only {', '.join(others)}" if others else ""
    raise BaseModelError(
        f"checkpoint {name}: {folder} holds neither model.safetensors nor pytorch_model.bin{there}; download them"
    )


def _network(name: str, folder: Path, config: dict[str, Any]) -> PreTrainedModel:
    import torch
    from transformers import AutoModelForQuestionAnswering
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if config.get("auto_map") and not config.get("model_type"):
        raise BaseModelError(f"checkpoint {name} needs code of its own (auto_map), and no code of a checkpoint is run")
    try:
        model, loading = AutoModelForQuestionAnswering.from_pretrained(
            folder, dtype=torch.float32, weights_only=True, output_loading_info=True
        )
    except Exception as error:  # transformers, torch and safetensors each have their own
        raise BaseModelError(
            f"checkpoint {name} could not be loaded: {type(error).__name__}: {_first_line(error)}"
        ) from error
    if missing := sorted(loading["missing_keys"]):
        listed = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise BaseModelError(
            f"checkpoint {name} lacks weights of a span reader: {listed}; it is no finished one: "
            f"`python -m training train --base-model {name}` teaches an encoder"
        )
    if 4 * model.num_parameters() > LARGEST_GRAPH:
        raise BaseModelError(
            f"checkpoint {name} has {model.num_parameters() / 1e6:.0f} M parameters; "
            f"a graph holds {LARGEST_GRAPH / 4e6:.0f} M at most"
        )
    if model.config.model_type == "big_bird":
        model.base_model.set_attention_type("original_full")  # what it does of windows up to 704 tokens by itself
    return model.eval()  # type: ignore[no-any-return]


def _tokenizer(name: str, folder: Path, scratch: Path) -> Path:
    """Return the checkpoint's `tokenizer.json`, made of its other files where it has none."""
    own = folder / artifact.TOKENIZER
    if own.is_file():
        _check_fetched(name, own)
        return own
    vocabulary = _vocabulary_files(folder)
    for path in vocabulary:
        _check_fetched(name, path)
    there = ", ".join(path.name for path in vocabulary)
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
    except Exception as error:  # as many kinds as there are tokenizers
        raise BaseModelError(
            f"checkpoint {name}: tokenizer.json is missing and could not be made of what is there ({there}): "
            f"{type(error).__name__}: {_first_line(error)}"
        ) from error
    return target / artifact.TOKENIZER


def _vocabulary_files(folder: Path) -> list[Path]:
    return [path for pattern in ("vocab.*", "merges.txt", "*.model") for path in sorted(folder.glob(pattern))]


def _check_vocabulary(name: str, tokenizer: Path, model: PreTrainedModel) -> None:
    """Refuse a tokenizer that is another network's, or knows no words."""
    try:
        loaded = TextTokenizer.from_file(tokenizer)
    except Exception as error:  # tokenizers raises plain Exception; IndexError: no token for a letter
        raise BaseModelError(f"checkpoint {name}: its tokenizer cannot be used: {_first_line(error)}") from error
    table: Any = model.get_input_embeddings()
    rows: int = table.weight.shape[0]
    (tokens,) = loaded.encode(["The answer is 42."])
    if not len(tokens) or max(*loaded.special.prefix, *loaded.special.suffix, *tokens.ids.tolist()) >= rows:
        raise BaseModelError(
            f"checkpoint {name}: its tokenizer does not go with its network of {rows} words; download both again"
        )
