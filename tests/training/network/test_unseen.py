"""What the quoted figures are measured on was never trained on, in no wording of its paragraphs.

The data files are not in the repository: TRAINING_DATA names their folder, and without it these tests skip.
"""

import os
from pathlib import Path

import pytest

from tests.training.network.test_pretrained import leaves
from training import data
from training.data import sources
from training.network import pretrained

FOLDER = Path(os.environ.get("TRAINING_DATA", "data"))
MEASURED = FOLDER / "squad_v2_dev_half.json"
WORDS = 12
"""So many words in a row stand in two texts only where one was taken from the other, or both from a third."""

pytestmark = pytest.mark.skipif(not MEASURED.is_file(), reason="TRAINING_DATA names no folder with SQuAD's files")


def runs_of_words(context: str) -> set[tuple[str, ...]]:
    words = "".join(c if c.isalnum() else " " for c in context.casefold()).split()
    return {tuple(words[i : i + WORDS]) for i in range(max(1, len(words) - WORDS + 1))}


@pytest.fixture(scope="module")
def measured():
    contexts = {example.context for example in data.load([str(MEASURED)])}
    assert len(contexts) > 500
    return {run for context in contexts for run in runs_of_words(context)}


@pytest.mark.parametrize(
    "name", sorted({name for run in leaves(pretrained.provenance()) for name in run["settings"]["data"]})
)
def test_no_paragraph_of_the_training_data_is_measured_on(name, measured):
    contexts = {example.context for example in sources.load_all([str(FOLDER / name)], "skip").examples}
    assert contexts
    assert not any(runs_of_words(context) & measured for context in contexts)
