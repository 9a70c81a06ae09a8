import pytest

from training.measure.metrics import Scored, exact, f1, is_text_spaceless, normalise, score, summary


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Eiffel Tower!", "eiffel tower"),
        ("an apple a day", "apple day"),
        ("U.S.A.", "usa"),
        ("theatre", "theatre"),
        ("½ — “quoted”", "½ — “quoted”"),  # only ASCII punctuation goes, as in the official script
        ("the", ""),
    ],
)
def test_normalisation_is_the_official_one(text, normal):
    assert normalise(text) == normal


def test_f1_is_the_overlap_of_words():
    # "the" is dropped: 2 common words of 4 predicted and 2 expected, precision 1/2, recall 1, F1 = 2 / 3.
    assert f1("in the year 1843 Ada", "1843 Ada") == pytest.approx(2 / 3)
    assert f1("Paris", "London") == 0
    # "to" counts once, as often as it is expected: 2 common words of 3 and 3.
    assert f1("to be to", "to be or") == pytest.approx(2 / 3)
    assert exact("the Paris", "Paris!") == 1


def test_the_best_annotator_counts():
    assert score("Paris", ["in Paris", "Paris", "London"]) == (1.0, 1.0)


def test_only_an_empty_answer_is_right_when_there_is_none():
    assert score("", []) == (1.0, 1.0)
    assert score("Paris", []) == (0.0, 0.0)
    assert score("", ["Paris"]) == (0.0, 0.0)


def test_golds_that_normalise_to_nothing_are_passed_over():
    assert score("Paris", ["the", "Paris"]) == (1.0, 1.0)
    assert score("", ["the"]) == (1.0, 1.0)


def scored(answerable, exact_match, f1_score):
    return Scored("1", "s", answerable, exact_match, f1_score)


def test_summary_splits_only_where_there_are_unanswerable_questions():
    answerable = [scored(True, 1, 1), scored(True, 0, 0.5)]
    assert summary(answerable) == {"exact_match": 50, "f1": 75, "total": 2}
    both = summary([*answerable, scored(False, 1, 1)])
    assert both["exact_match"] == pytest.approx(66.667)
    assert (both["HasAns_f1"], both["NoAns_f1"], both["NoAns_total"]) == (75, 100, 1)


def test_a_script_without_spaces_has_a_word_a_character():
    # 3 common characters of 3 predicted and 4 expected: F1 = 2 * 3 / 7.
    assert f1("三千人", "约三千人", spaceless=True) == pytest.approx(2 * 3 / (3 + 4))
    assert f1("三千人", "约三千人") == 0
    # "iphone", 在, 中, 国: all of the 4, and no punctuation of any script.
    assert score("「iPhone 在中国」", ["iphone在中国。"], spaceless=True) == (1.0, 1.0)
    assert score("", [], spaceless=True) == (1.0, 1.0)


def test_the_context_tells_whether_its_script_sets_spaces():
    assert is_text_spaceless("该公司成立于1998年，总部位于成都 (Chengdu)。")
    assert is_text_spaceless("この詩の作者は佐藤春子で")
    assert is_text_spaceless("ห้องสมุดเปิดเวลา 8 โมงเช้า")
    assert not is_text_spaceless("Tokyo (東京) is the capital of Japan.")
    assert not is_text_spaceless("서울은 한국의 수도이다")
    assert not is_text_spaceless("")
