"""Small random networks of many families, as their checkpoints lie in a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from training.network import base

CLS, SEP, PAD = 101, 102, 0
SPECIAL = {"cls": "[CLS]", "bos": "[CLS]", "sep": "[SEP]", "eos": "[SEP]", "pad": "[PAD]"}
WORDS: dict[str, Any] = {"vocab_size": 30522, "pad_token_id": PAD, "cls_token_id": CLS, "sep_token_id": SEP}
SMALL: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
ROBERTA: dict[str, Any] = SMALL | WORDS | {"pad_token_id": 1, "max_position_embeddings": 514, "type_vocab_size": 1}
DEBERTA: dict[str, Any] = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "norm_rel_ebd": "layer_norm",
    "type_vocab_size": 0,
}
CONFIGS: dict[str, Callable[[], Any]] = {
    "bert": lambda: transformers.BertConfig(**SMALL, **WORDS),
    "distilbert": lambda: transformers.DistilBertConfig(
        dim=16, n_layers=2, n_heads=2, hidden_dim=32, vocab_size=30522, pad_token_id=PAD
    ),
    "roberta": lambda: transformers.RobertaConfig(**ROBERTA),
    "xlm-roberta": lambda: transformers.XLMRobertaConfig(**ROBERTA),
    "camembert": lambda: transformers.CamembertConfig(**ROBERTA),
    "electra": lambda: transformers.ElectraConfig(**SMALL, **WORDS, embedding_size=8),
    "albert": lambda: transformers.AlbertConfig(**SMALL, **WORDS, embedding_size=8),
    "mpnet": lambda: transformers.MPNetConfig(**SMALL, **WORDS | {"pad_token_id": 1}, max_position_embeddings=514),
    "mobilebert": lambda: transformers.MobileBertConfig(
        **SMALL, **WORDS, embedding_size=16, intra_bottleneck_size=16, num_feedforward_networks=2
    ),
    "deberta-v2": lambda: transformers.DebertaV2Config(**SMALL, **WORDS, **DEBERTA),
    "deberta-v3": lambda: transformers.DebertaV2Config(
        **SMALL, **WORDS, **DEBERTA | {"share_att_key": True, "position_buckets": 64}
    ),
    "modernbert": lambda: transformers.ModernBertConfig(
        **SMALL, **WORDS, bos_token_id=CLS, eos_token_id=SEP, local_attention=64, max_position_embeddings=512
    ),
    "longformer": lambda: transformers.LongformerConfig(
        **ROBERTA | {"max_position_embeddings": 1026}, attention_window=[64, 64]
    ),
    "big_bird": lambda: transformers.BigBirdConfig(**SMALL, **WORDS, max_position_embeddings=1024),
}
TWO_SEPARATORS = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer")
"""Families that put two separators between question and context."""


def tokenizer(family: str) -> Tokenizer:
    """Return all-MiniLM-L6-v2's tokenizer, with the family's layout of a pair."""
    made = Tokenizer.from_file(str(base.find(base.MINILM).folder / "tokenizer.json"))
    if family in TWO_SEPARATORS:
        made.post_processor = TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] [SEP] $B [SEP]",
            special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
        )
    return made


def write(family: str, folder: Path, made: Tokenizer | None = None) -> Path:
    """Write a random network of the family, with a span head, and its tokenizer: `made`, or that of `tokenizer`."""
    torch.manual_seed(0)
    config = CONFIGS[family]()
    config.initializer_range = 0.2  # logits that differ
    if made is not None:
        for name, token in SPECIAL.items():
            setattr(config, f"{name}_token_id", made.token_to_id(token))
    model = transformers.AutoModelForQuestionAnswering.from_config(config)
    model.save_pretrained(folder)
    if made is None:
        made = tokenizer(family)
    else:  # transformers before 5 asks this file for what tokenizer.json does not say
        types = ["token_type_ids"] if getattr(config, "type_vocab_size", 0) > 1 else []
        settings: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}
        settings["model_input_names"] = ["input_ids", "attention_mask", *types]
        settings |= {f"{name}_token": token for name, token in SPECIAL.items()}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    made.save(str(folder / "tokenizer.json"))
    return folder
