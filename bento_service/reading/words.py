"""Which characters separate words, and where visible characters begin and end. Pure."""

from __future__ import annotations

import re
import unicodedata

ZERO_WIDTH_JOINER = "\u200d"

# Control characters, invisible format characters, private use, noncharacters and the replacement character. Characters
# that occur inside words, numbers and emoji are left out: joiners, direction marks, Arabic number signs, tags.
_SEPARATOR = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffd"
    "\ue000-\uf8ff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001"
    "\ufdd0-\ufdef\ufffe\uffff\U000f0000-\U000fffff\U00100000-\U0010ffff]"
)
# Han, kana and their marks, Thai, Lao, Tibetan, Myanmar and Khmer: no white space between words.
_SPACELESS_RANGES = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U000323af"
)
_SPACELESS = re.compile(f"[{_SPACELESS_RANGES}]")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|\([AB0])")
"""What a program sends a terminal: colours and cursor (ECMA-48, 5.4), links and titles, character sets."""


LONGEST_WORD = 200
"""Maximum number of characters by which an answer is widened on a side; a longer run is not a word."""
_WORD = re.compile(
    rf"""
    [\w.+-]+@[\w-]+(?:\.[\w-]+)+                         # an e-mail address
    | @\w(?:[\w.]*\w)?                                   # an account
    | (?:[A-Za-z][A-Za-z0-9+.-]*://|www\.)[^\s<>"]*[\w/]  # an address of the web
    | (?<![\w.-])(?:(?:[\w-]+\.)+[A-Za-z]{{2,}}(?::\d+)?|[A-Za-z][\w-]*:\d+)/[^\s<>"]*[\w/]  # without its scheme
    | [A-Za-z]:\\[^\s<>"]*\w                             # a path, of Windows
    | (?<!\w)[~.]{{0,2}}/[\w.-]*\w(?:/[\w.-]*\w)*/?       # and of others
    | \b[0-9A-Fa-f]{{0,4}}(?:::?[0-9A-Fa-f]{{1,4}}){{2,7}}\b  # an address of IPv6, of a network card
    | \b[0-9A-Fa-f]{{8}}(?:-[0-9A-Fa-f]{{4}}){{3}}-[0-9A-Fa-f]{{12}}\b  # a UUID
    | \w[\w-]*(?:\.[\w-]*\w){{2,}}(?::\d+)?               # a version, a host
    | \d+(?:[.,]\d+)+                                    # a number
    | \d+(?:[-:/]\d+){{2,}}                               # a date, a time
    | \#[0-9A-Fa-f]+\b                                   # a colour, a ticket
    | \w*[^\W_]_\w+(?:[-.:/\#]\w+)*                     # a name in a program
    | (?=[A-Z0-9-/:.\#_]*\d)(?=[A-Z0-9-/:.\#_]*[A-Z])    # a serial number: capitals and digits
      \b[A-Z0-9]+(?:[-/:.\#_][A-Z0-9]+)+(?!\w)
    | [^\W{_SPACELESS_RANGES}\uac00-\ud7a3]+             # a word; Korean sets particles behind it without a space
    """,
    re.VERBOSE,
)


def separate_words(text: str) -> str:
    """Replace each character that separates words, but that tokenizers delete, by a space.

    The text keeps its length, and so its offsets.
    """
    return _SEPARATOR.sub(" ", _blank_escapes(text))


def _blank_escapes(text: str) -> str:
    return _ESCAPE.sub(lambda escape: " " * len(escape[0]), text) if "\x1b" in text else text


def _separates(character: str) -> bool:
    return character.isspace() or _SEPARATOR.match(character) is not None


def is_spaceless(character: str) -> bool:
    """Return whether the character's script sets no white space between words."""
    return _SPACELESS.match(character) is not None


def whole_words(context: str, start: int, end: int) -> tuple[int, int]:
    """Widen a span so that it cuts no word, number or identifier.

    Parts joined by a hyphen or a slash stay apart, unless they make an e-mail address, a path, a serial number or such.
    """
    return _cut_word(context, start)[0], _cut_word(context, end)[1]


def _cut_word(context: str, position: int) -> tuple[int, int]:
    """Return the range of the word that goes on across a position, or an empty one."""
    low = high = position
    while low > max(0, position - LONGEST_WORD) and not context[low - 1].isspace():
        low -= 1
    while high < min(len(context), position + LONGEST_WORD) and not context[high].isspace():
        high += 1
    if LONGEST_WORD not in (position - low, high - position) and low < position < high:
        for match in _WORD.finditer(_blank_escapes(context[low:high])):
            if low + match.start() < position < low + match.end():
                return low + match.start(), low + match.end()
    return position, position


def whole_characters(context: str, start: int, end: int) -> tuple[int, int]:
    """Remove separators from a span's edges, then widen it so that it cuts no visible character, such as an emoji."""
    while start < end and _separates(context[start]):
        start += 1
    while end > start and _separates(context[end - 1]):
        end -= 1
    if start == end:
        return start, end
    while start > 0 and not context[start - 1].isspace() and _joined(context, start):
        start -= 1
    while end < len(context) and _joined(context, end):
        end += 1
    return start, end


def _joined(context: str, position: int) -> bool:
    """Return whether the characters on either side of a position look like one."""
    return _continues(context[position]) or context[position - 1] == ZERO_WIDTH_JOINER


def _continues(character: str) -> bool:
    """Return whether a character belongs to the one before it: a mark, a joiner, a skin tone, a tag of a flag."""
    return (
        character == ZERO_WIDTH_JOINER
        or unicodedata.category(character).startswith("M")
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
    )
