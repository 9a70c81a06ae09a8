"""Questions with their contexts and answers: read from any source, checked, repaired, drawn and held out."""

from training.data.examples import Example, GoldAnswer, draw, fingerprint, hold_out
from training.data.sources import SAMPLE, SAMPLE_FOLDER, load

__all__ = ["SAMPLE", "SAMPLE_FOLDER", "Example", "GoldAnswer", "draw", "fingerprint", "hold_out", "load"]
