"""A tiny random network, trained and stored by the real command; `python -m tests.tiny HOME` makes one."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.commands import training_command
from training.network import base


def make_base(folder: Path) -> Path:
    """Write a random BERT of one layer with the real vocabulary: real code paths in milliseconds."""
    import torch
    from transformers import BertConfig, BertForQuestionAnswering

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=30522, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    BertForQuestionAnswering(config).save_pretrained(folder)
    shutil.copy(base.find(base.MINILM).folder / "tokenizer.json", folder)
    return folder


def flags(base_model: Path) -> list[str]:
    """Return flags of `python -m training train` for a run of seconds, whose model the gate lets through."""
    run = ["--base-model", str(base_model), "--epochs", "1", "--max-examples", "32", "--batch-size", "16"]
    return [*run, "--min-f1", "*=0", "--min-served-ratio", "0", "--max-calibration-error", "1"]


def make_store(home: Path, base_model: Path) -> None:
    """Train and store `extractive-qa:<version>` in the BENTOML_HOME `home`."""
    training_command("train", *flags(base_model), "--output-dir", str(home / "run"), home=home)


if __name__ == "__main__":
    store = Path(sys.argv[1])
    make_store(store, make_base(store / "base"))
