"""Small tokenizers of the kinds that the families have, trained on the texts of the comparison."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import RobertaProcessing, TemplateProcessing

from tests.agreement.texts import TEXTS
from tests.training import networks

SIZE = 1_500
SPECIAL = ["[CLS]", "[PAD]", "[SEP]", "[UNK]"]
"""The padding is 1, as the families count positions from it that keep some back."""
BYTES = ("roberta", "longformer", "modernbert")
"""Families with pairs of bytes; those with pieces of sentences and whether white space is in them; the rest: words."""
PIECES = {
    "xlm-roberta": False,
    "camembert": False,
    "albert": False,
    "big_bird": True,
    "deberta-v2": True,
    "deberta-v3": True,
}


def tokenizer(family: str) -> Tokenizer:
    """Return a tokenizer as the family has it: of bytes, of pieces of sentences, or of words and their pieces."""
    if family in BYTES:
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer: Any = trainers.BpeTrainer(
            vocab_size=SIZE, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
        )
    elif family in PIECES:
        made = Tokenizer(models.Unigram())
        made.normalizer = normalizers.NFKC()
        pieces = pre_tokenizers.Metaspace()
        made.pre_tokenizer = (
            pieces if PIECES[family] else pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pieces])
        )
        trainer = trainers.UnigramTrainer(
            vocab_size=SIZE, special_tokens=SPECIAL, unk_token="[UNK]", show_progress=False
        )
    else:
        return networks.tokenizer(family)
    made.train_from_iterator((text for pair in TEXTS for text in pair), trainer)
    made.post_processor = _pair(family)
    return made


def _pair(family: str) -> Any:
    cls, sep = ("[CLS]", 0), ("[SEP]", 2)
    if family in networks.TWO_SEPARATORS and family in BYTES:
        return RobertaProcessing(sep, cls, trim_offsets=True, add_prefix_space=False)
    pair = "[CLS] $A [SEP] [SEP] $B [SEP]" if family in networks.TWO_SEPARATORS else "[CLS] $A [SEP] $B:1 [SEP]:1"
    return TemplateProcessing(single="[CLS] $A [SEP]", pair=pair, special_tokens=[cls, sep])
