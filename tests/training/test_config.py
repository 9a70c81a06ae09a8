import pytest

from training import config
from training.errors import TrainSettingsError


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("epochs: 2\nseed: 5\n")
    settings = config.load(path, {"seed": "7"})
    assert (settings.epochs, settings.seed, settings.max_length) == (2, 7, 384)


def test_the_gates_flags_join_the_gate_of_the_file(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("gate: {min_f1: {sample: 50}, max_f1_loss: 2}\n")
    gate = config.load(path, {"min_f1": ["sample=60"], "min_served_ratio": "0.5"}).gate
    assert gate == config.GateSettings(min_f1={"sample": 60}, max_f1_loss=2, min_served_ratio=0.5)


def test_the_environment_is_not_read(monkeypatch):
    monkeypatch.setenv("SEED", "5")
    monkeypatch.setenv("EPOCHS", "5")
    assert config.load(None, {}) == config.TrainSettings()
    assert (config.TrainSettings().seed, config.TrainSettings().epochs) == (17, 0)


@pytest.mark.parametrize(
    ("named", "epochs"),
    [({}, 0), ({"data": ["a.json"]}, 1), ({"base_model": "minilm"}, 1), ({"epochs": "2"}, 2)],
)
def test_only_the_shipped_weights_on_the_sample_are_not_trained_further(named, epochs):
    assert config.load(None, named).epochs == epochs


def test_a_gate_of_the_file_that_is_no_mapping_is_named_with_flags_too(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("gate: 5\n")
    with pytest.raises(TrainSettingsError, match="gate: Input should be"):
        config.load(path, {"max_f1_loss": "2"})


def test_written_settings_read_back_equal(tmp_path):
    settings = config.load(None, {"data": ["a.json", "sample"], "dev_data": [], "learning_rate": "3e-4"})
    path = tmp_path / "settings.yaml"
    path.write_text(settings.to_yaml())
    assert config.load(path, {}) == settings


@pytest.mark.parametrize(
    ("named", "share"),
    [({}, 0.75), ({"base_model": "minilm"}, 0), ({"base_model": "minilm", "base_share": "0.25"}, 0.25)],
)
def test_a_share_of_the_base_is_kept_unless_it_has_no_span_head(named, share):
    assert config.load(None, named).base_share == share


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epoch: 2", "epoch: Extra inputs"),
        ("epochs: -1", "epochs: Input should be greater than or equal to 0"),
        ("doc_stride: 200", "doc_stride 200 must be at most half of max_length 384"),
        ("- 1", "must hold a mapping"),
        ("a: [", "cannot be read"),
        ("epochs: \xff", "cannot be read"),
    ],
)
def test_a_bad_setting_is_named(tmp_path, content, message):
    path = tmp_path / "settings.yaml"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(TrainSettingsError, match=message):
        config.load(path, {})


def test_a_missing_settings_file_is_named(tmp_path):
    with pytest.raises(TrainSettingsError, match=r"none\.yaml"):
        config.load(tmp_path / "none.yaml", {})
