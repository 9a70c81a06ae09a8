import numpy as np
import pytest

from training.errors import TrainingError
from training.measure import calibration, diagram


@pytest.fixture
def confidence():
    confidences = np.linspace(0, 1, 50)
    return calibration.confidence(confidences, confidences > 0.4)


def test_the_diagram_is_a_png(confidence, tmp_path):
    path = tmp_path / "diagram.png"
    diagram.draw(confidence, path, title="model")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 10_000


def test_a_path_that_cannot_be_written_is_named(confidence, tmp_path):
    with pytest.raises(TrainingError, match="nowhere"):
        diagram.draw(confidence, tmp_path / "nowhere" / "diagram.png", title="model")


def test_drift_has_a_bar_for_each_source_and_feature(tmp_path):
    report = {"data/mine.json": {"confidence": 0.3, "no_answer": 0.0}, "sample:dev": {"unknown_tokens": 4.0}}
    path = tmp_path / "drift.png"
    diagram.draw_drift(report, path, title="model")
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(TrainingError, match="nowhere"):
        diagram.draw_drift(report, tmp_path / "nowhere" / "drift.png", title="model")
