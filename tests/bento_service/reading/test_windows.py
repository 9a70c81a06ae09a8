import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bento_service.errors import QuestionTooLong
from bento_service.reading.windows import SpecialTokens, Tokens, longest_question, slide

BERT = SpecialTokens(prefix=(101,), middle=(102,), suffix=(102,), context_type_id=1)


def tokens(count: int, first_id: int = 1000) -> Tokens:
    """Tokens of two characters each, one space apart."""
    starts = np.arange(count) * 3
    return Tokens(np.arange(first_id, first_id + count), np.stack([starts, starts + 2], axis=1))


def test_one_window_holds_a_short_pair_as_bert_lays_it_out():
    (window,) = slide(tokens(2, 7), tokens(3), BERT, max_length=32, doc_stride=4)
    assert window.input_ids.tolist() == [101, 7, 8, 102, 1000, 1001, 1002, 102]
    assert window.token_type_ids.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert window.input_ids[window.inside].tolist() == [1000, 1001, 1002]
    assert window.offsets.tolist() == [[0, 2], [3, 5], [6, 8]]


def test_neighbours_overlap_by_doc_stride_tokens():
    # 32 - 3 special - 2 question tokens leave room for 27; each window moves on by 27 - 4 = 23.
    windows = slide(tokens(2), tokens(60), BERT, max_length=32, doc_stride=4)
    assert [window.first_token for window in windows] == [0, 23, 46]
    assert [len(window) for window in windows] == [32, 32, 5 + 60 - 46]


def test_a_context_that_just_fits_needs_no_second_window():
    assert len(slide(tokens(2), tokens(27), BERT, max_length=32, doc_stride=4)) == 1
    assert len(slide(tokens(2), tokens(28), BERT, max_length=32, doc_stride=4)) == 2


def test_a_context_without_tokens_gives_one_window_without_context():
    (window,) = slide(tokens(2), tokens(0), BERT, max_length=32, doc_stride=4)
    assert window.input_ids.tolist() == [101, 1000, 1001, 102, 102]
    assert not window.input_ids[window.inside].size
    assert window.offsets.shape == (0, 2)


def test_a_question_that_leaves_no_room_is_refused_with_both_counts():
    allowed = longest_question(BERT, max_length=32, doc_stride=4)  # 32 - 3 - 4 - 8
    assert allowed == 17
    slide(tokens(allowed), tokens(50), BERT, max_length=32, doc_stride=4)
    with pytest.raises(QuestionTooLong, match="18 tokens, at most 17"):
        slide(tokens(allowed + 1), tokens(50), BERT, max_length=32, doc_stride=4)


@given(
    context=st.integers(0, 400), question=st.integers(0, 20), max_length=st.integers(40, 80), stride=st.integers(0, 7)
)
def test_windows_cover_every_token_in_order_and_never_exceed_their_length(context, question, max_length, stride):
    windows = slide(tokens(question), tokens(context), BERT, max_length=max_length, doc_stride=stride)
    covered = set()
    for window in windows:
        assert len(window) <= max_length
        held = range(window.first_token, window.first_token + len(window.offsets))
        assert window.offsets[:, 0].tolist() == [3 * i for i in held]
        assert window.input_ids[window.inside].tolist() == [1000 + i for i in held]
        covered |= set(held)
    assert covered == set(range(context))
    assert len(windows) <= 1 + 4 * context / max_length
