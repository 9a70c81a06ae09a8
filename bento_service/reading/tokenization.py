"""Text to tokens with offsets, by the tokenizer that the model was trained with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from bento_service.reading.windows import SpecialTokens, Tokens
from bento_service.reading.words import separate_words


class TextTokenizer:
    """A `tokenizer.json` as the reader needs it: no truncation, no padding, offsets in code points.

    Threads share it without a lock: the Rust tokenizer raises "Already borrowed" only when one of them changes it.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.special = _special_tokens(tokenizer)
        self._unknown_id = _unknown_id(tokenizer)

    @classmethod
    def from_file(cls, path: Path) -> TextTokenizer:
        """Load a `tokenizer.json`."""
        return cls(Tokenizer.from_file(str(path)))

    def encode(self, texts: Sequence[str], *, words: bool = False) -> list[Tokens]:
        """Tokenise texts without special tokens, on as many cores as the tokenizer's own thread pool has.

        words: also find the tokenizer's words.
        Control characters separate words; the tokenizer itself would delete them and join their neighbours. A single
        text is encoded as a batch too, since only that call lets other threads run.
        """
        separated = [separate_words(text) for text in texts]
        encodings = self._tokenizer.encode_batch(separated, add_special_tokens=False)
        tokens = [_tokens(encoding) for encoding in encodings]
        if not words:
            return tokens
        rows = zip(separated, encodings, tokens, strict=True)
        return [replace(own, words=_words(text, encoding)) for text, encoding, own in rows]

    def unknown(self, tokens: Tokens) -> NDArray[np.int64] | None:
        """Return the ranges of unknown tokens, shape (n, 2), code points; None if there are none."""
        missing = tokens.ids == self._unknown_id
        return tokens.offsets[missing] if missing.any() else None


def _tokens(encoding: Encoding) -> Tokens:
    offsets = np.fromiter(chain.from_iterable(encoding.offsets), dtype=np.int64)
    return Tokens(np.array(encoding.ids, dtype=np.int64), offsets.reshape(-1, 2))


def _words(text: str, encoding: Encoding) -> NDArray[np.int64]:
    """Return the ranges of the pre-tokenizer's words in a text; empty for a tokenizer without them.

    A word includes the space before it if that is a token, even one with empty offsets. An answer that ends with this
    token ends in this word.
    """
    ranges: dict[int, list[int]] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        if word is None:
            continue
        if word not in ranges and start == end and text[max(start - 1, 0) : start].isspace():
            start -= 1
        known = ranges.setdefault(word, [start, end])
        known[:] = min(known[0], start), max(known[1], end)
    return np.array(list(ranges.values()), dtype=np.int64).reshape(-1, 2)


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    """Return the id of the unknown token; None for a vocabulary of bytes, which needs none."""
    model = json.loads(tokenizer.to_str())["model"]
    unknown_id = model.get("unk_id")
    return tokenizer.token_to_id(model["unk_token"]) if unknown_id is None and model.get("unk_token") else unknown_id


def _special_tokens(tokenizer: Tokenizer) -> SpecialTokens:
    """Read the layout of a pair off the tokenizer's own post-processor, whatever the model family."""
    pair = tokenizer.encode("a", "b")
    of_question = [i for i, sequence in enumerate(pair.sequence_ids) if sequence == 0]
    of_context = [i for i, sequence in enumerate(pair.sequence_ids) if sequence == 1]
    return SpecialTokens(
        prefix=tuple(pair.ids[: of_question[0]]),
        middle=tuple(pair.ids[of_question[-1] + 1 : of_context[0]]),
        suffix=tuple(pair.ids[of_context[-1] + 1 :]),
        context_type_id=pair.type_ids[of_context[0]],
    )


def out_of(ranges: NDArray[np.int64], start: int, end: int) -> tuple[int, int]:
    """Widen a span so that it cuts none of the ranges. ranges: shape (n, 2), half-open, in order."""
    starts, ends = ranges[:, 0], ranges[:, 1]
    cut = (starts < start) & (start < ends)
    if cut.any():
        start = int(starts[cut].min())
    cut = (starts < end) & (end < ends)
    if cut.any():
        end = int(ends[cut].max())
    return start, end
