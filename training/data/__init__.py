"""Reads questions with contexts and answers from any source, checks and repairs them, draws and holds out."""

from training.data.examples import Example, GoldAnswer, draw, fingerprint, hold_out
from training.data.sources import SAMPLE, SAMPLE_FOLDER, load

__all__ = ["SAMPLE", "SAMPLE_FOLDER", "Example", "GoldAnswer", "draw", "fingerprint", "hold_out", "load"]
