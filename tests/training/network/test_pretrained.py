import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForQuestionAnswering

from training.errors import BaseModelError
from training.network import base, pretrained


@pytest.fixture
def run(tmp_path, tiny_base, tiny_model):
    """A finished run of the tiny model: every tensor but the word embeddings differs from its base."""
    model = AutoModelForQuestionAnswering.from_pretrained(tiny_base)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "word_embeddings" not in name:
                tensor += 0.01
    model.save_pretrained(tmp_path / "model")
    served = tmp_path / "served"
    served.mkdir()
    for name in ("provenance.json", "metrics.json", "reader.json", "reference.json"):
        (served / name).write_bytes((tiny_model / name).read_bytes())
    return tmp_path


def headless(base_checkpoint: base.BaseCheckpoint, tmp_path) -> base.BaseCheckpoint:
    """The base as sentence encoders ship it: without the span head and the prefix."""
    folder = tmp_path / "headless"
    folder.mkdir()
    tensors = load_file(base_checkpoint.folder / "model.safetensors")
    stripped = {k.removeprefix("bert."): v for k, v in tensors.items() if k.startswith("bert.")}
    save_file(stripped, folder / "model.safetensors")
    return base.BaseCheckpoint("minilm", folder, base_checkpoint.sha256)


def test_shipped_weights_hold_what_changed_and_make_the_same_model(run, tiny_base, tmp_path):
    base_checkpoint = base.find(str(tiny_base))
    shipped = tmp_path / "shipped"
    pretrained.ship([(run / "model", run / "served")], headless(base_checkpoint, tmp_path), shipped)
    model = AutoModelForQuestionAnswering.from_pretrained(tiny_base)
    pretrained.apply_to(model, shipped)
    expected = AutoModelForQuestionAnswering.from_pretrained(run / "model")
    for (name, ours), theirs in zip(model.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3, msg=name)
    assert not any("word_embeddings" in name for name in load_file(shipped / pretrained.WEIGHTS))
    assert json.loads((shipped / "provenance.json").read_text())["base_model"]["sha256"] == base_checkpoint.sha256
    fitted = json.loads((run / "served" / "reader.json").read_text())
    calibration = json.loads((shipped / "reader.json").read_text())
    assert calibration == {name: fitted[name] for name in pretrained.CALIBRATION}


def test_several_runs_ship_as_their_mean(run, tiny_base, tmp_path):
    base_checkpoint = base.find(str(tiny_base))
    untrained = AutoModelForQuestionAnswering.from_pretrained(tiny_base)
    untrained.save_pretrained(tmp_path / "other")
    shipped = tmp_path / "shipped"
    # Of three, since a third of a number thrice is not always the number: what no run changed must not ship.
    runs = [(tmp_path / name, run / "served") for name in ("model", "other", "other")]
    pretrained.ship(runs, headless(base_checkpoint, tmp_path), shipped)
    model = AutoModelForQuestionAnswering.from_pretrained(tiny_base)
    pretrained.apply_to(model, shipped)
    for (name, ours), theirs in zip(model.named_parameters(), untrained.parameters(), strict=True):
        step = 0 if "word_embeddings" in name else 0.01 / 3  # a third of what the trained run moved
        torch.testing.assert_close(ours, theirs + step, atol=1e-3, rtol=1e-3, msg=name)
    assert not any("word_embeddings" in name for name in load_file(shipped / pretrained.WEIGHTS))
    provenance = json.loads((shipped / "provenance.json").read_text())
    assert [p["base_model"]["sha256"] for p in provenance["mean_of"]] == [base_checkpoint.sha256] * 3


def test_a_run_from_another_base_does_not_ship(run, tmp_path):
    with pytest.raises(BaseModelError, match="only a run from minilm"):
        pretrained.ship([(run / "model", run / "served")], base.find("minilm"), tmp_path / "shipped")


def test_an_unfinished_run_does_not_ship(tmp_path):
    with pytest.raises(BaseModelError, match="no finished run"):
        pretrained.ship([(tmp_path / "model", tmp_path / "served")], base.find("minilm"), tmp_path / "shipped")


def test_missing_weights_are_named_with_a_way_on(tiny_base, tmp_path):
    model = AutoModelForQuestionAnswering.from_pretrained(tiny_base)
    with pytest.raises(BaseModelError, match="use base_model minilm"):
        pretrained.apply_to(model, tmp_path)


def test_weights_that_do_not_fit_are_refused(tiny_base):
    model = AutoModelForQuestionAnswering.from_pretrained(tiny_base)
    with pytest.raises(BaseModelError, match="do not fit"):
        pretrained.apply_to(model)


def test_the_shipped_weights_are_small_and_say_where_they_came_from():
    assert (pretrained.FOLDER / pretrained.WEIGHTS).stat().st_size <= 24e6
    runs = list(leaves(pretrained.provenance()))
    assert {run["base_model"]["sha256"] for run in runs} == {base.MINILM_SHA256}
    assert all(run["data"]["questions"] > 20_000 for run in runs)
    metrics = list(leaves(json.loads((pretrained.FOLDER / "metrics.json").read_text())))
    assert len(metrics) == len(runs)
    trained = [run["settings"]["epochs"] > 0 for run in runs]
    assert [bool(run["epochs"]) for run in metrics] == trained


def leaves(content):
    """The single runs that a mean, perhaps of means, was made of."""
    for one in content.get("mean_of", []):
        yield from leaves(one)
    if "mean_of" not in content:
        yield content
