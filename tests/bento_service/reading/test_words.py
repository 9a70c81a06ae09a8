import pytest

from bento_service.reading.words import separate_words, whole_characters, whole_words


@pytest.mark.parametrize(
    "separator",
    ["\f", "\v", "\x85", "\x00", "\x1f", "\u200b", "\xad", "\ufeff", "\ufffd", "\uf0b7", "\ufdd0", "\uffff"],
)
def test_what_a_tokenizer_would_delete_separates_words(separator):
    assert separate_words(f"Lind{separator}Page") == "Lind Page"


@pytest.mark.parametrize(
    "escape",
    ["\x1b[1;31m", "\x1b[38:5:9m", "\x1b[?25h", "\x1b[2K", "\x1b(B", "\x1b]8;;http://a.example\x1b\\", "\x1b]0;a\x07"],
)
def test_what_a_terminal_is_sent_is_as_many_spaces_and_no_part_of_a_word(escape):
    context = f"is{escape}Lind{escape}."
    assert separate_words(context) == f"is{' ' * len(escape)}Lind{' ' * len(escape)}."
    start = context.index("Lind")
    assert whole_words(context, start, start + 4) == (start, start + 4)


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


def test_edges_move_off_what_separates_words():
    assert whole_characters("a\u200b Lind\x00\u00a0b", 1, 9) == (3, 7)


@pytest.mark.parametrize(
    ("text", "cut", "word"),
    [
        ("Mail j.doe+sales@mail.example.com now.", "@mail", "j.doe+sales@mail.example.com"),
        ("(See https://docs.example.org/a?b=1.)", "https://docs", "https://docs.example.org/a?b=1"),
        ("It runs at docs.example.org:8080, too.", "example", "docs.example.org:8080"),
        ("Go to bit.ly/3xYz12, now.", "ly", "bit.ly/3xYz12"),
        ("Ask localhost:5000/answer.", "5000", "localhost:5000/answer"),
        ("It is 2001:db8:85a3::8a2e:370:7334 now.", "8a2e", "2001:db8:85a3::8a2e:370:7334"),
        ("It has 00:1a:2b:3c:4d:5e on it.", "3c", "00:1a:2b:3c:4d:5e"),
        ("Row 550e8400-e29b-41d4-a716-446655440000.", "e29b", "550e8400-e29b-41d4-a716-446655440000"),
        ("Read /var/log/app/err.log first.", "log/app", "/var/log/app/err.log"),
        ("Read C:\\Temp\\run.log first.", "Temp", "C:\\Temp\\run.log"),
        ("Part SN-99Z-1K, grey.", "99Z", "SN-99Z-1K"),
        ("Quote INV/2023/0098.", "2023", "INV/2023/0098"),
        ("It is in v2.14.3-rc1 now.", "14", "v2.14.3-rc1"),
        ("Set user_id_42 to 0.", "id", "user_id_42"),
        ("Follow @night_owl99!", "owl", "@night_owl99"),
        ("It is 3.5 km long.", "3", "3.5"),
        ("Made on 2023-05-01.", "05", "2023-05-01"),
        ("Szczebrzeszyn is a town.", "brze", "Szczebrzeszyn"),
        # Joined, but not cut: parts of ordinary words, ranges and possessives are answers of their own.
        ("the 18-year-old boy", "18", "18"),
        ("in 1998-2001 or so", "1998", "1998"),
        ("Okafor's bakery", "Okafor", "Okafor"),
        ("a red/green flag", "green", "green"),
        ("東京タワーは高い", "京タ", "京タ"),
        ("x" * 500, "xxx", "xxx"),
    ],
)
def test_a_span_takes_in_the_word_or_identifier_that_it_cuts(text, cut, word):
    start = text.index(cut)
    start, end = whole_words(text, start, start + len(cut))
    assert text[start:end] == word
