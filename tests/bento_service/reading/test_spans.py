import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bento_service.reading.spans import decode, owned_starts
from bento_service.reading.tokenization import out_of
from bento_service.reading.windows import SpecialTokens, Tokens, slide
from bento_service.reading.words import whole_characters

BERT = SpecialTokens(prefix=(101,), middle=(102,), suffix=(102,), context_type_id=1)
CONTEXT = "aa bb cc dd ee ff gg hh"
NUMBERS = " ".join(f"{i:02}" for i in range(40))
LOW = -20.0


def tokens(count: int) -> Tokens:
    starts = np.arange(count) * 3
    return Tokens(np.arange(count), np.stack([starts, starts + 2], axis=1))


def windows_of(count: int = 8, max_length: int = 32):
    """[CLS] q [SEP] context [SEP]: context token i stands at position i + 3."""
    return slide(tokens(1), tokens(count), BERT, max_length=max_length, doc_stride=4)


def logits(length: int, start: dict[int, float], end: dict[int, float]):
    arrays = np.full(length, LOW, np.float32), np.full(length, LOW, np.float32)
    for array, values in zip(arrays, (start, end), strict=True):
        for position, value in values.items():
            array[position] = value
    return arrays


def decode_one(start, end, *, max_answer_length=4, n_best_size=3, **options):
    (window,) = windows_of()
    scores = logits(len(window), start, end)
    return decode(
        [window], [scores], [CONTEXT], max_answer_length=max_answer_length, n_best_size=n_best_size, **options
    )


def texts(decoded):
    return [CONTEXT[span.start : span.end] for span in decoded.spans]


def test_best_span_has_the_greatest_sum_of_logits():
    # "bb cc": 5 + 4 = 9 beats "bb": 5 + 3 = 8.
    decoded = decode_one({4: 5.0}, {4: 3.0, 5: 4.0}, n_best_size=1)
    assert texts(decoded) == ["bb cc"]
    assert decoded.spans[0].score == pytest.approx(9.0)


def test_probability_adds_up_the_spans_that_agree():
    # Four spans stand out: "bb" 2 + 1 = 3, "bb cc" 2 + 2 = 4, "ff" 1 + 2 = 3, and "bb" to "ee" 2 + 3 = 5. The best is
    # the last, 4 tokens: F1 with "bb cc" is 2 * 2 / (4 + 2) = 2/3 and counts, with "bb" 2 * 1 / (4 + 1) = 2/5 does not.
    decoded = decode_one({4: 2.0, 8: 1.0}, {4: 1.0, 5: 2.0, 7: 3.0, 8: 2.0}, n_best_size=2)
    assert texts(decoded) == ["bb cc dd ee", "ff"]
    total = math.exp(3) + math.exp(4) + math.exp(3) + math.exp(5)
    best, other = decoded.spans
    assert best.probability == pytest.approx((math.exp(5) + math.exp(4)) / total, rel=1e-4)
    assert other.probability == pytest.approx(math.exp(3) / total, rel=1e-4)


def test_null_probability_is_the_null_scores_share_of_all():
    # Spans "bb" 2 + 1 = 3 and "bb cc" 2 + 2 = 4, null score 1 + 1 = 2; the rest adds below 1e-6.
    decoded = decode_one({0: 1.0, 4: 2.0}, {0: 1.0, 4: 1.0, 5: 2.0})
    assert decoded.null_probability() == pytest.approx(
        math.exp(2) / (math.exp(2) + math.exp(3) + math.exp(4)), rel=1e-4
    )
    # Twice the log-odds, less 1.
    odds = (math.exp(2) / (math.exp(3) + math.exp(4))) ** 2 / math.e
    assert decoded.null_probability(2, -1) == pytest.approx(odds / (1 + odds), rel=1e-3)
    # "bb" agrees with "bb cc" (2/3), so that the null score aside nothing is left to doubt.
    assert decoded.spans[0].probability == pytest.approx(1, rel=1e-5)


def test_temperature_divides_every_score():
    # At temperature 2: "bb" 3/2, "ee ff" 4/2, null 2/2.
    decoded = decode_one({0: 1.0, 4: 2.0, 7: 2.0}, {0: 1.0, 4: 1.0, 8: 2.0}, temperature=2.0, max_answer_length=2)
    spans = math.exp(1.5) + math.exp(2)
    assert decoded.spans[0].probability == pytest.approx(math.exp(2) / spans, rel=1e-3)
    assert decoded.null_probability() == pytest.approx(math.exp(1) / (math.exp(1) + spans), rel=1e-3)


def test_no_span_is_longer_than_max_answer_length():
    # "bb" to "ee" is 4 tokens and scores 10; with 3 tokens at most, "bb" to "dd" with 5 + 1 = 6 remains.
    assert texts(decode_one({4: 5.0}, {6: 1.0, 7: 5.0}, n_best_size=1)) == ["bb cc dd ee"]
    assert texts(decode_one({4: 5.0}, {6: 1.0, 7: 5.0}, n_best_size=1, max_answer_length=3)) == ["bb cc dd"]


def test_an_end_before_its_start_is_no_span():
    # End logit at token 0, start logit at token 2: the best ordered span uses one of the two, 5 + LOW.
    decoded = decode_one({5: 5.0}, {3: 5.0}, n_best_size=1)
    assert decoded.spans[0].score == pytest.approx(5 + LOW)


def test_question_and_special_positions_never_answer():
    # The greatest logits stand on [CLS], the question and the last [SEP]; "cc" has 1 + 1.
    decoded = decode_one({0: 9.0, 1: 9.0, 11: 9.0, 5: 1.0}, {0: 9.0, 1: 9.0, 11: 9.0, 5: 1.0}, n_best_size=1)
    assert texts(decoded) == ["cc"]


def test_alternatives_do_not_overlap():
    # "bb cc" 9, then "cc" 7 and "bb" 8 overlap it; "ff" 4 does not.
    decoded = decode_one({4: 5.0, 5: 3.0, 8: 2.0}, {4: 3.0, 5: 4.0, 8: 2.0}, n_best_size=2)
    assert texts(decoded) == ["bb cc", "ff"]


def test_ties_go_to_the_earlier_then_shorter_span():
    tied = decode_one({4: 1.0, 6: 1.0}, {4: 1.0, 6: 1.0}, n_best_size=2, max_answer_length=1)
    assert texts(tied) == ["bb", "dd"]
    flat = decode_one({}, {}, n_best_size=8, max_answer_length=1)
    assert texts(flat) == CONTEXT.split()


def test_null_score_is_the_least_over_the_windows():
    windows = windows_of(40)
    context = " ".join(["xx"] * 40)

    def null_log_odds(*nulls):
        scores = [logits(len(window), {0: null}, {0: null}) for window, null in zip(windows, nulls, strict=True)]
        return decode(windows, scores, [context], max_answer_length=4, n_best_size=1).null_log_odds

    assert null_log_odds(3.0, 1.0) == null_log_odds(1.0, 1.0) == pytest.approx(null_log_odds(2.0, 2.0) - 2)


def test_a_span_in_the_overlap_of_two_windows_counts_once():
    # Tokens 24 to 27 are in both windows, and both give the same logits to token 25, the same as the null score's. Were
    # it counted twice, the null probability would be 1 / (1 + 2).
    windows = windows_of(40)
    assert [window.first_token for window in windows] == [0, 24]
    scores = []
    for window in windows:
        position = 3 + 25 - window.first_token
        scores.append(logits(len(window), {0: 0.0, position: 0.0}, {0: 0.0, position: 0.0}))
    decoded = decode(windows, scores, [NUMBERS], max_answer_length=2, n_best_size=2)
    assert (decoded.spans[0].start, decoded.spans[0].end) == (75, 77)
    assert decoded.null_probability() == pytest.approx(1 / 2, abs=1e-6)


def test_a_span_agrees_with_its_neighbours_across_two_windows():
    # Tokens 25 and 26 are the last that window 0 owns and the first of window 1 (overlap 24 to 27, 2 tokens each).
    # "25 26" from window 0 scores 1 + 1 and "26" from window 1 the same: each is half of the softmax, and they agree.
    windows = windows_of(40)
    first, second = (3 + 25, 3 + 26), (3 + 26 - 24,)
    scores = [
        logits(len(windows[0]), {first[0]: 1.0}, {first[1]: 1.0}),
        logits(len(windows[1]), {second[0]: 1.0}, {second[0]: 1.0}),
    ]
    decoded = decode(windows, scores, [NUMBERS], max_answer_length=2, n_best_size=1)
    assert (decoded.spans[0].start, decoded.spans[0].end) == (75, 80)
    assert decoded.spans[0].probability == pytest.approx(1, abs=1e-6)


def test_what_grows_into_one_long_character_is_found_once():
    # The joiners make one character of the ten x: each of them grows into all of it, so that "yy" is the second answer.
    joined = "\u200d".join("x" * 10)
    offsets = [(2 * i, 2 * i + 1) for i in range(10)] + [(len(joined) + 1, len(joined) + 3)]
    (window,) = slide(tokens(1), Tokens(np.arange(11), np.array(offsets)), BERT, max_length=32, doc_stride=4)
    values = {3 + i: 2.0 for i in range(10)} | {3 + 10: 1.0}
    scores = logits(len(window), values, values)
    decoded = decode([window], [scores], [f"{joined} yy"], max_answer_length=1, n_best_size=2)
    assert sorted((span.start, span.end) for span in decoded.spans) == [(0, len(joined)), offsets[-1]]


def decode_words(context, start, end, **options):
    """Decode a context of words of two characters, the first of which is token 0."""
    (window,) = windows_of(len(context.split()))
    scores = logits(len(window), {3 + i: v for i, v in start.items()}, {3 + i: v for i, v in end.items()})
    options = {"max_answer_length": 4, "n_best_size": 3} | options
    return decode([window], [scores], [context], **options)


def test_an_answer_that_stands_in_several_places_has_the_probability_of_all():
    # "aa" scores 2 + 2 = 4 at token 0 and 1 + 2 = 3 at token 3, "dd" 2 + 2 = 4 at token 5. The span from the first "aa"
    # to the second scores 2 + 2 and says it twice; "aa ee dd" (1 + 2) has an F1 of 1/2 with "aa". From the first "aa"
    # to "dd" it is too far.
    decoded = decode_words("aa bb cc aa ee dd", {0: 2.0, 3: 1.0, 5: 2.0}, {0: 2.0, 3: 2.0, 5: 2.0})
    first, second = decoded.spans[:2]
    assert (first.start, first.end, first.occurrences) == (0, 2, 2)
    expected = (2 * math.exp(4) + 2 * math.exp(3)) / (3 * math.exp(4) + 2 * math.exp(3))
    assert first.probability == pytest.approx(expected, rel=1e-3)
    assert (second.start, second.end, second.occurrences) == (15, 17, 1)


def test_a_span_from_an_answer_to_its_repetition_is_that_answer():
    # "aa" to the second "aa" scores 3 + 3, either alone 3 + 2 or 2 + 3.
    decoded = decode_words("aa bb aa cc", {0: 3.0, 2: 2.0}, {0: 2.0, 2: 3.0})
    assert (decoded.spans[0].start, decoded.spans[0].end, decoded.spans[0].occurrences) == (0, 2, 2)
    assert decoded.spans[0].probability == pytest.approx(1, abs=1e-3)
    # Of "dog eats dog" no part is likely alone.
    decoded = decode_words("aa bb aa cc", {0: 9.0}, {2: 9.0}, n_best_size=1)
    assert (decoded.spans[0].start, decoded.spans[0].end) == (0, 8)


def test_no_alternative_has_a_greater_probability_than_the_one_before_it():
    # "dd" scores 3.5 and is the best; "aa" scores 3 in two places, 2 * exp(3) > exp(3.5).
    decoded = decode_words("aa bb cc xx yy aa zz ww vv dd", {0: 1.5, 5: 1.5, 9: 1.75}, {0: 1.5, 5: 1.5, 9: 1.75})
    assert [(span.start, span.occurrences) for span in decoded.spans[:2]] == [(27, 1), (0, 2)]
    assert decoded.spans[0].probability == decoded.spans[1].probability


def test_what_cannot_be_read_comes_behind_what_can():
    # "aa" scores 4 and "dd" 3.5, but of "aa" only half can be read: exp(4) / 2 < exp(3.5).
    scores = {0: 2.0, 9: 1.75}
    context = "aa bb cc xx yy ff zz ww vv dd"
    decoded = decode_words(context, scores, scores, known=lambda passage, start, end: 0.5 if start == 0 else 1.0)
    assert [span.start for span in decoded.spans[:2]] == [27, 0]


def test_no_text_is_given_twice_whatever_its_case_and_punctuation():
    context = "Aa b, aa ,b aA c. dd ee"
    decoded = decode_words(context, {0: 2.0, 2: 1.9, 4: 1.8}, {0: 2.0, 2: 1.9, 4: 1.8}, n_best_size=8)
    said = [context[span.start : span.end].casefold().strip(" ,.") for span in decoded.spans]
    assert said[0] == "aa"
    assert decoded.spans[0].occurrences == 3
    assert len(set(said)) == len(said)


def test_a_span_without_a_letter_or_digit_is_no_answer():
    # "$." and ". " have the greatest logits; "5" follows, with the sign before it.
    context = "$$ 55 .. ab"
    decoded = decode_words(context, {0: 9.0, 2: 9.0, 1: 2.0, 3: 1.0}, {0: 9.0, 2: 9.0, 1: 2.0, 3: 1.0}, n_best_size=8)
    texts = [context[span.start : span.end] for span in decoded.spans]
    assert texts[0] == "$$ 55 .."
    assert all(any(map(str.isalnum, text)) for text in texts)
    (window,) = windows_of(3)
    nothing = decode(
        [window], [logits(len(window), {3: 5.0}, {3: 5.0})], ["$$ .. !!"], max_answer_length=2, n_best_size=2
    )
    assert nothing.spans == ()


def test_every_word_is_an_alternative_where_as_many_are_asked_for():
    flat = decode_words("aa .. bb .. cc dd", {}, {}, n_best_size=20, max_answer_length=1)
    assert sorted(span.start for span in flat.spans) == [0, 6, 12, 15]


def test_every_start_has_exactly_one_window_and_room_for_the_longest_answer():
    # Overlap 4: the later window owns starts once it has 2 tokens before them, or 4 - 3 = 1 where answers have 3.
    windows = windows_of(40)
    assert owned_starts(windows, max_answer_length=2) == [(0, 26), (2, 16)]
    assert owned_starts(windows, max_answer_length=3) == [(0, 25), (1, 16)]


def test_a_context_without_tokens_has_no_span():
    (window,) = windows_of(0)
    decoded = decode([window], [logits(len(window), {}, {})], ["\x00"], max_answer_length=4, n_best_size=3)
    assert decoded.spans == ()
    assert decoded.null_probability() == 1.0
    assert decoded.null_log_odds == math.inf


@pytest.mark.parametrize(
    ("context", "span", "expected"),
    [
        ("cafe\u0301 noir", (0, 4), (0, 5)),  # e + combining acute accent
        ("an \U0001f469\u200d\U0001f680 here", (3, 4), (3, 6)),  # woman + joiner + rocket is one emoji
        ("\u2764\ufe0f!", (0, 1), (0, 2)),  # heart + variation selector
        (" aa ", (0, 4), (1, 3)),
        ("aa\r\n", (0, 4), (0, 2)),
        ("   ", (0, 3), (3, 3)),
    ],
)
def test_spans_cut_no_visible_character_and_hold_no_outer_space(context, span, expected):
    assert whole_characters(context, *span) == expected


@given(st.data())
@settings(deadline=None)
def test_spans_are_inside_the_context_apart_and_at_most_one_in_total(data):
    count = data.draw(st.integers(1, 70))
    windows = windows_of(count)
    values = st.floats(-30, 30, width=32)
    scores = []
    for window in windows:
        row = st.lists(values, min_size=len(window), max_size=len(window))
        scores.append((np.array(data.draw(row), np.float32), np.array(data.draw(row), np.float32)))
    context = " ".join(f"{i % 50:02}" for i in range(count))
    decoded = decode(windows, scores, [context], max_answer_length=5, n_best_size=6)
    taken: set[int] = set()
    for span in decoded.spans:
        assert 0 <= span.start < span.end <= len(context)
        assert not taken & set(range(span.start, span.end))
        taken |= set(range(span.start, span.end))
        assert len(context[span.start : span.end].split()) <= 5
    said = [context[span.start : span.end] for span in decoded.spans]
    assert len(set(said)) == len(said)
    assert all(0 <= p <= 1 for p in [decoded.null_probability(), *(span.probability for span in decoded.spans)])
    probabilities = [span.probability for span in decoded.spans]
    assert probabilities == sorted(probabilities, reverse=True)


@pytest.mark.parametrize(
    ("span", "expected"),
    [((0, 3), (0, 3)), ((1, 3), (0, 3)), ((4, 6), (4, 9)), ((6, 8), (4, 9)), ((2, 5), (0, 9)), ((3, 4), (3, 4))],
)
def test_spans_take_in_the_words_that_they_cut(span, expected):
    words = np.array([[0, 3], [4, 9]])  # "Ada swims"
    assert out_of(words, *span) == expected


def test_a_text_without_words_cuts_none():
    assert out_of(np.zeros((0, 2), dtype=np.int64), 1, 3) == (1, 3)


def test_a_span_that_shares_half_of_its_words_agrees():
    # "bb" and "bb cc dd" both score 2 + 2. They share one token: F1 = 2 * 1 / (1 + 3) = 1/2, which is still right.
    decoded = decode_one({4: 2.0}, {4: 2.0, 6: 2.0}, n_best_size=1)
    assert decoded.spans[0].probability == pytest.approx(1, abs=1e-3)
