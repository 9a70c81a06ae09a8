import re

import numpy as np
import pytest

from bento_service.reading.folding import Folded
from bento_service.reading.places import Places, find, is_same_answer, key


@pytest.mark.parametrize(
    ("answer", "text", "starts"),
    [
        ("Ana Reyes", "Ana Reyes spoke. ANA\nREYES sat; Ana Reyes's chair.", [0, 17, 32]),
        ("the door", "A door. The door's lock, indoors, doors.", [2, 12]),
        ("“red”", "red, hundred, red-haired, (red)", [0, 27]),
        ("5", "5 of 25, 3.5, 5-6, 5.", [0, 19]),
        ("三千人", "员工约三千人，三千人。", [3, 7]),
        ("İ", "İ İ", [0, 2]),
        ("Zoé", "Zoe\u0301, ZOÉ; zoés", [0, 6]),
        ("café", "cafe", []),
        ("cafe", "café", []),
        ("か", "がか", [1]),
        ("ﬁg", "fig, ﬁg, FIG", [0, 5, 9]),
        ("O’Neil", "O'Neil and O’NEIL", [0, 11]),
        ("Ana Reyes", "Ana\fReyes, Ana\u200bReyes, \x1b[1mAna Reyes", [0, 11, 26]),
        ("10²", "102, 10²", [5]),
    ],
)
def test_an_answer_is_found_as_whole_words_in_any_case_and_form(answer, text, starts):
    folded = Folded(text)
    ranges = [folded.origin(*place) for place in find(key(Folded(answer).text), folded.text)]
    assert [start for start, _ in ranges] == starts


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("reyes", "ana reyes", True),
        ("1789", "july 1789", True),
        ("in may", "in june", False),
        ("1,000 euros", "2,000 euros", False),
        ("red", "the old red door of it", False),
    ],
)
def test_what_says_the_same(one, other, same):
    assert is_same_answer(one.split(), other.split()) is same
    assert is_same_answer(other.split(), one.split()) is same


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("Ana Reyes. The chair, Ana Reyes", [(0, 1), (4, 5)]),
        ("Ada. ADA", [(0, 0), (1, 1)]),
        ("Ana Reyes, ana reyes", [(0, 1), (2, 3)]),
        ("Bora Bora", []),
        ("in May in June", []),
    ],
)
def test_a_text_with_the_same_words_at_both_ends_has_the_answer_twice(text, sides):
    offsets = np.array([match.span() for match in re.finditer(r"\S+", text)])
    places = Places([text], offsets, np.zeros(len(offsets), dtype=np.int64))
    assert places.border(0, 0, len(text)) == sides
