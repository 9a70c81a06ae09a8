import pytest
from hypothesis import given
from hypothesis import strategies as st

from bento_service.reading.folding import Folded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zoé Müller", "ZOE\u0301 MU\u0308LLER"),
        ("Weiß, İpek", "WEISS, I\u0307PEK"),
        ("Ada Lind", "ada\u00a0Lind"),
        ("Ada\tLind\nx", "Ada\fLind\u3000x"),
        ("ﬁve ＡＢ", "five ab"),
        ("O’Neil Anne‑Marie −5", "o'neil anne-marie -5"),
        ("ᏣᎳᎩ", "ꮳꮃꭹ"),
        ("서울", "서울"),
    ],
)
def test_what_differs_in_form_is_the_same(one, other):
    assert Folded(one).text == Folded(other).text


@pytest.mark.parametrize(("one", "other"), [("10²", "102"), ("½", "1⁄2"), ("resumé", "resume"), ("か", "が")])
def test_what_says_something_else_is_not(one, other):
    assert Folded(one).text != Folded(other).text


@given(st.text(min_size=1, max_size=20))
def test_each_character_is_found_again(text):
    folded = Folded(text)
    ranges = [folded.inside(i, i + 1) for i in range(len(text))]
    assert [folded.origin(*place) for place in ranges] == [(i, i + 1) for i in range(len(text))]
    assert folded.inside(0, len(text)) == (0, len(folded.text))
