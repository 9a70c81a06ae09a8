"""Readings made by hand: what an engine would say of one question about two words."""

import math

import numpy as np

from bento_service.reading.reader import Query, ReaderSettings, Reading
from bento_service.reading.windows import SpecialTokens, Tokens, slide
from training.data import Example, GoldAnswer

BERT = SpecialTokens(prefix=(101,), middle=(102,), suffix=(102,), context_type_id=1)
SETTINGS = ReaderSettings(max_length=32, doc_stride=4, max_answer_length=1)


def reading(number, *, odds, gold, null=-50.0, scale=1.0):
    """Two words, "aa" with logits that make it `odds` times as likely as "bb" at temperature `scale`."""
    context = f"aa bb {number}"
    tokens = Tokens(np.arange(2), np.array([[0, 2], [3, 5]]))
    (window,) = slide(Tokens(np.arange(1), np.array([[0, 1]])), tokens, BERT, max_length=32, doc_stride=4)
    logits = np.full(len(window), -50.0, np.float32)
    logits[0], logits[3], logits[4] = null, scale * math.log(odds) / 2, 0.0
    answers = (GoldAnswer(gold, context.index(gold)),) if gold else ()
    example = Example(str(number), "?", context, answers, "t", "s")
    return example, Reading(Query("?", context), [window], [(logits, logits)])
