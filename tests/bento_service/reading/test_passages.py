import math

import numpy as np
import pytest

from bento_service.reading.passages import passage_scores
from bento_service.reading.windows import SpecialTokens, Tokens, slide

BERT = SpecialTokens(prefix=(101,), middle=(102,), suffix=(102,), context_type_id=1)


def tokens(*ids: int) -> Tokens:
    return Tokens(np.array(ids), np.array([(3 * i, 3 * i + 2) for i in range(len(ids))]))


def test_passages_with_the_questions_words_and_a_low_null_score_are_preferred():
    # The question has the tokens 7 and 8. The second of three passages has both, the third one of them: 8 is in 2 of 3
    # and adds log(4 / 2.5), 7 in 1 of 3 and adds log(4 / 1.5), one and a half times. Null scores are 2, 4
    # and 6, and count half.
    question = tokens(7, 8)
    passages = [tokens(1, 2), tokens(7, 8), tokens(3, 8)]
    windows = [
        window
        for i, passage in enumerate(passages)
        for window in slide(question, passage, BERT, max_length=32, doc_stride=4, passage=i)
    ]
    scores = [
        (np.full(len(window), null), np.full(len(window), null))
        for window, null in zip(windows, (1, 2, 3), strict=True)
    ]
    both, one = math.log(4 / 2.5) + math.log(4 / 1.5), math.log(4 / 2.5)
    expected = [-1.5 * both, (2 - 4) / 2, 1.5 * (one - both) + (2 - 6) / 2]
    assert passage_scores(windows, scores, 3).tolist() == pytest.approx(expected)
    assert passage_scores(windows[:1], scores[:1], 1).tolist() == [0]
