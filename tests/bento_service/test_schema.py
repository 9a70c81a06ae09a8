import pytest
from pydantic import ValidationError

from bento_service.reading.reader import Answer, Query
from bento_service.schema import AnswerRequest, AnswerSpan, AnswersRequest


def request(context="Ada 👍🏽 swims", **fields):
    return AnswerRequest(question="Who?", context=context, **fields)


def test_a_request_asks_the_reader_what_it_says():
    assert request("x").to_queries() == [Query("Who?", "x", 1, False, None)]
    asked = request("x", top_k=3, allow_no_answer=True, max_answer_length=7)
    assert asked.to_queries() == [Query("Who?", "x", 3, True, 7)]


def test_positions_in_utf16():
    # "Ada " is 4 units, each half of 👍🏽 2, the space 1: "swims" is at 7 in code points and at 9 in UTF-16.
    context = "Ada 👍🏽 swims"
    answer = Answer("swims", 0.5, 7, 12)
    plain = request(context).respond([[answer]])
    units = request(context, offsets="utf16").respond([[answer]])
    assert (plain.start_pos, plain.end_pos) == (7, 12)
    assert (units.start_pos, units.end_pos) == (9, 14)


def test_alternatives_only_when_top_k_was_sent():
    answers = [Answer("Ada", 0.6, 0, 3), Answer("swims", 0.3, 7, 12)]
    assert request().respond([answers]).alternatives is None
    others = request(top_k=2).respond([answers]).alternatives
    assert others == [AnswerSpan(answer="swims", confidence=0.3, start_pos=7, end_pos=12)]


@pytest.mark.parametrize("text", ["", " ", "\u00a0", "\u3000\n", "\u200b", "\u0000", "\ufeff \u2060"])
def test_a_text_without_a_visible_character_is_empty(text):
    with pytest.raises(ValidationError, match="empty_text"):
        request(text)


@pytest.mark.parametrize("text", ["x", "\u0000x", "👍", "\u0301", "\ue000", "\ufffd", "。"])
def test_one_visible_character_is_enough(text):
    assert request(text).context == text


def test_lengths_are_counted_in_code_points():
    assert len(request("👍" * 100_000).context) == 100_000
    with pytest.raises(ValidationError, match="string_too_long"):
        request("x" * 100_001)


def test_a_batch_is_bounded_in_all():
    # 4 x 50,000 = 200,000 characters are the most; one more is too many.
    AnswersRequest(queries=[request("x" * 50_000)] * 4)
    with pytest.raises(ValidationError, match="batch_too_large"):
        AnswersRequest(queries=[*[request("x" * 50_000)] * 4, request("x")])
