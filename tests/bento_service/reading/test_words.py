import pytest

from bento_service.reading.words import separate_words, whole_characters


@pytest.mark.parametrize(
    "separator", ["\f", "\v", "\x85", "\x00", "\x1f", "\u200b", "\xad", "\ufeff", "\ufffd", "\uf0b7"]
)
def test_what_a_tokenizer_would_delete_separates_words(separator):
    assert separate_words(f"Lind{separator}Page") == "Lind Page"


def test_a_terminals_colours_are_as_many_spaces():
    assert separate_words("is\x1b[1;31mLind\x1b[0m.") == "is" + " " * 7 + "Lind" + " " * 4 + "."


@pytest.mark.parametrize(
    "text", ["می\u200cگویند", "क्\u200dष", "\u202aIL62\u202c", "a\tb\r\nc", "\U0001f3f4\U000e0067\U000e007f"]
)
def test_joiners_direction_marks_and_tags_stand_inside_words(text):
    assert separate_words(text) == text


@pytest.mark.parametrize(
    ("context", "span", "expected"),
    [
        ("an e\u0301cole", (4, 9), (3, 9)),  # starts on the accent of e
        ("a \u0301b", (2, 4), (2, 4)),  # an accent on a space
        ("x \U0001f469\u200d\U0001f680 y", (4, 5), (2, 5)),  # starts on the rocket of an astronaut
        ("\U0001f44d\U0001f3fd ok", (0, 1), (0, 2)),  # a thumb and its skin tone
    ],
)
def test_a_start_inside_a_visible_character_moves_to_its_first_code_point(context, span, expected):
    assert whole_characters(context, *span) == expected
