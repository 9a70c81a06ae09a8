"""Every way in which starts and texts go wrong, with the answer that was meant."""

import unicodedata

import pytest

from training.data.repair import Repair, common_shift, find

LINES = "Hours\r\nMonday to Friday\r\n8 am to 6 pm\r\n"
EMOJI = "🎪🎪 The circus came to Brno. Brno liked it."
DANISH = "Ærlig Ørsted flyttede til Århus. Århus var stor."
NFD = unicodedata.normalize("NFD", "Zoé Müller came. Zoé left.")
CASES = [
    ("off by one", "in Oslo, not in Oslo", "Oslo", 4, 3),
    ("off by one", "in Oslo, not in Oslo", "Oslo", 15, 16),
    ("elsewhere in the text", "It is in Oslo.", "Oslo", 0, 9),
    ("found in the text", "It is in Oslo.", "Oslo", None, 9),
    ("counted in UTF-16 units", EMOJI, "Brno", EMOJI.index("Brno") + 2, EMOJI.index("Brno")),
    ("counted in bytes", DANISH, "Århus", len(DANISH[: DANISH.index("Århus")].encode()), DANISH.index("Århus")),
    ("counted with LF for CRLF", LINES * 2, "8 am", 23, 25),
    ("LF for CRLF", LINES, "Friday\n8 am", 17, 17),
    ("HTML entities", "Sons sell caf&eacute; tables &amp; more.", "café tables & more", 10, 10),
    ("NFC for NFD", NFD, unicodedata.normalize("NFC", "Zoé Müller"), 0, 0),
    ("case", "The depot in Halden.", "halden", 13, 13),
    ("spaces at the edges", "(Halden)", " Halden ", 0, 1),
    ("another kind of space", "It costs 49\u00a0€ today.", "49 €", 9, 9),
    ("letters of another form", "It costs １２ pounds.", "12", 9, 9),
]


@pytest.mark.parametrize(("kind", "context", "text", "start", "place"), CASES)
def test_an_answer_is_found_where_it_was_meant(kind, context, text, start, place):
    found = find(context, text, start)
    assert found is not None
    assert (found.kind, found.start) == (kind, place)
    meant = context[found.start : found.end]
    assert meant.strip() == meant
    assert kind in ("HTML entities", "LF for CRLF") or len(unicodedata.normalize("NFC", meant)) == len(text.strip())


def test_nfd_answers_of_nfc_texts_are_found_too():
    text = unicodedata.normalize("NFD", "Zoé Müller")
    assert find("Then Zoé Müller came.", text, 5) == Repair("NFC for NFD", 5, 15)


def test_entities_are_left_whole():
    context = "Smith &amp; Sons"
    found = find(context, "Smith & Sons", 0)
    assert found is not None
    assert context[found.start : found.end] == context


@pytest.mark.parametrize("text", ["Rome", "", "Oslo not"])
def test_what_does_not_stand_in_the_text_is_not_found(text):
    assert find("in Oslo, not in Oslo", text, 0) is None


def test_of_two_places_none_is_guessed():
    assert find("in Oslo, not in Oslo", "Oslo", 9) is None
    assert find("in Oslo, not in Oslo", "Oslo", None) is None
    assert find("in Oslo, not in Oslo", "OSLO", None) is None
    assert find("in Oslo, not in Oslo", "Oslo", 9, shift=-7) == Repair("off by -7, as others", 16, 20)


def test_a_shift_is_common_only_to_several():
    # "b" is 2 before its place in both; "a" of the third is anywhere.
    assert common_shift([("aaab", "b", 1), ("acab", "b", 1), ("aaab", "c", 0)]) == -2
    assert common_shift([("aaab", "b", 1)]) is None
    assert common_shift([("aaab", "b", 1), ("aaab", "b", 0), ("aaab", "b", 2)]) is None
    assert common_shift([]) is None
