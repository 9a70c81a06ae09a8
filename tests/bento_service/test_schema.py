import pytest
from pydantic import ValidationError

from bento_service.reading.reader import Answer, Query
from bento_service.responses import AnswerSpan
from bento_service.schema import AnswerRequest, AnswersRequest, BatchQuery


def request(context="Ada 👍🏽 swims", **fields):
    return AnswerRequest(question="Who?", context=context, **fields)


def test_a_request_asks_the_reader_what_it_says():
    assert request("x").to_queries() == [Query("Who?", "x", 1, False, None)]
    asked = request("x", top_k=3, allow_no_answer=True, max_answer_length=7)
    assert asked.to_queries() == [Query("Who?", "x", 3, True, 7)]
    assert request("x", align_to_words=False).to_queries() == [Query("Who?", "x", align_to="characters")]


def test_positions_in_utf16():
    # "Ada " is 4 units, each half of 👍🏽 2, the space 1: "swims" is at 7 in code points and at 9 in UTF-16.
    context = "Ada 👍🏽 swims"
    answer = Answer("swims", 0.5, 7, 12)
    plain = request(context).lay_out(context, [answer])
    units = request(context, offsets="utf16").lay_out(context, [answer])
    assert (plain.start_pos, plain.end_pos) == (7, 12)
    assert (units.start_pos, units.end_pos) == (9, 14)


def test_alternatives_only_when_top_k_was_sent():
    answers = [Answer("Ada", 0.6, 0, 3), Answer("swims", 0.3, 7, 12)]
    assert request().lay_out("Ada 👍🏽 swims", answers).alternatives is None
    others = request(top_k=2).lay_out("Ada 👍🏽 swims", answers).alternatives
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
    query = BatchQuery(question="Who?", context="x" * 50_000)
    AnswersRequest(queries=[query] * 4)
    with pytest.raises(ValidationError, match="batch_too_large"):
        AnswersRequest(queries=[*[query] * 4, BatchQuery(question="Who?", context="x")])


def test_several_contexts_are_bounded_in_all_and_one_context_counts_once():
    AnswerRequest(question="Who?", contexts=["x" * 50_000] * 4)
    with pytest.raises(ValidationError, match="batch_too_large"):
        AnswerRequest(question="Who?", contexts=[*["x" * 50_000] * 4, "x"])
    assert len(AnswerRequest(questions=["Who?"] * 64, context="x" * 100_000).to_queries()) == 64


def test_one_question_about_several_contexts_is_one_query():
    asked = AnswerRequest(question="Who?", contexts=["Ada swims", "👍🏽 Bo"], offsets="utf16", top_k=2)
    assert asked.to_queries() == [Query("Who?", ["Ada swims", "👍🏽 Bo"], 2)]
    # In UTF-16, 👍🏽 is 4 units.
    response = asked.respond([[Answer("Bo", 0.6, 3, 5, passage=1), Answer("Ada", 0.3, 0, 3, passage=0)]])
    best = {"answer": "Bo", "confidence": 0.6, "start_pos": 5, "end_pos": 7, "context": 1}
    other = {"answer": "Ada", "confidence": 0.3, "start_pos": 0, "end_pos": 3, "context": 0}
    assert response.model_dump(exclude_none=True) == best | {"alternatives": [other]}
    assert "context" not in asked.respond([[Answer("", 0.9, 0, 0)]]).model_dump(exclude_none=True)


def test_several_questions_about_one_context_have_an_answer_each():
    asked = AnswerRequest(questions=["Who?", "When?"], context="Ada, 1842")
    assert asked.to_queries() == [Query("Who?", "Ada, 1842"), Query("When?", "Ada, 1842")]
    response = asked.respond([[Answer("Ada", 0.9, 0, 3)], [Answer("1842", 0.8, 5, 9)]])
    ada, year = response.model_dump(exclude_none=True)["answers"]
    assert ada == {"answer": "Ada", "confidence": 0.9, "start_pos": 0, "end_pos": 3}
    assert year["answer"] == "1842"
