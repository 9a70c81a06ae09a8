"""Which characters separate words, and where visible characters begin and end. Pure."""

from __future__ import annotations

import re
import unicodedata

ZERO_WIDTH_JOINER = "\u200d"

# Control characters, invisible format characters, private use, and the sign for what could not be decoded. Left out are
# those that stand inside words, numbers and emoji: joiners, direction marks, Arabic number signs, tags.
_SEPARATOR = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffd"
    "\ue000-\uf8ff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001"
    "\U000f0000-\U000ffffd\U00100000-\U0010fffd]"
)
# Han, kana and their marks, Thai, Lao, Tibetan, Myanmar and Khmer: no white space between words.
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U000323af]"
)
_ESCAPE = re.compile(r"\x1b\[[\d;]*[A-Za-z]")
"""A terminal's colours."""


def separate_words(text: str) -> str:
    """Put a space in the place of every character that separates words though tokenizers delete it.

    The text keeps its length, and so its offsets.
    """
    return _SEPARATOR.sub(" ", _ESCAPE.sub(lambda escape: " " * len(escape[0]), text))


def is_spaceless(character: str) -> bool:
    """Return whether the character's script sets no white space between words."""
    return _SPACELESS.match(character) is not None


def whole_characters(context: str, start: int, end: int) -> tuple[int, int]:
    """Move a span's edges so that it cuts no visible character: off spaces, around marks and joined emoji."""
    while start < end and context[start].isspace():
        start += 1
    while end > start and context[end - 1].isspace():
        end -= 1
    if start == end:
        return start, end
    while start > 0 and not context[start - 1].isspace() and _joined(context, start):
        start -= 1
    while end < len(context) and _joined(context, end):
        end += 1
    return start, end


def _joined(context: str, position: int) -> bool:
    """Return whether the characters on either side of a position are one to the eye."""
    return _continues(context[position]) or context[position - 1] == ZERO_WIDTH_JOINER


def _continues(character: str) -> bool:
    """Return whether a character belongs to the one before it: a mark, a joiner, a skin tone, a tag of a flag."""
    return (
        character == ZERO_WIDTH_JOINER
        or unicodedata.category(character).startswith("M")
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
    )
