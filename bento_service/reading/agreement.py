"""The probability that an answer is right: the weights of all spans that agree with it. Pure and numpy-only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bento_service.reading.places import Place

FloatArray = NDArray[np.float32]


def agreeing(weights: FloatArray, places: Sequence[Place]) -> float:
    """Return the sum of the weights of all spans that have an F1 of at least 1/2 with one of the places.

    Each span counts once. A span from the start of one place to the end of another counts too, since it contains the
    answer twice.
    """
    width = weights.shape[1]
    rows = [slice(first - min(first, width - 1), last + 1) for first, last in places]
    regions = [_agreement(min(first, width - 1), last - first + 1, width) for first, last in places]
    if len(places) == 1:
        return float(weights[rows[0]].sum(where=regions[0], dtype=np.float64))
    mask = np.zeros(weights.shape, dtype=bool)
    for row, region in zip(rows, regions, strict=True):
        mask[row] |= region
    ordered = np.array(sorted(places))
    for apart in range(1, min(width, len(places))):
        starts, lengths = ordered[:-apart, 0], ordered[apart:, 1] - ordered[:-apart, 0]
        inside = lengths < width
        if not inside.any():
            break
        mask[starts[inside], lengths[inside]] = True
    return float(weights[mask].sum(dtype=np.float64))


@lru_cache(maxsize=64)
def _agreement(before: int, length: int, width: int) -> NDArray[np.bool_]:
    """Return which spans have an F1 of at least 1/2 with the span of `length` tokens from token `before` on.

    [i, d]: the span from token i to token i + d, shape (before + length, width). F1 of two spans of n and m tokens that
    share k is 2 k / (n + m).
    """
    starts = np.arange(before + length)[:, None]
    lengths = np.arange(1, width + 1)
    shared = np.minimum(starts + lengths, before + length) - np.maximum(starts, before)
    agreeing: NDArray[np.bool_] = 4 * shared >= length + lengths
    return agreeing
