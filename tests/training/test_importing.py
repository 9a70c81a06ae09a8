"""A loaded checkpoint on its way to the store: its precision, its windows and the gate."""

import pytest

from bento_service import artifact
from bento_service.errors import ArtifactError
from tests.training import networks
from training import candidate, config, data, importing, store
from training.errors import GateError, TrainSettingsError
from training.measure import gate
from training.network.checkpoint import find

LOW = config.GateSettings(min_f1={"*": 0.0}, min_served_ratio=0, max_calibration_error=1)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return networks.write("bert", tmp_path_factory.mktemp("checkpoint") / "bert")


def test_the_windows_are_as_long_as_the_network_reads():
    assert (importing.reader_settings(512).max_length, importing.reader_settings(512).doc_stride) == (384, 64)
    assert (importing.reader_settings(126).max_length, importing.reader_settings(126).doc_stride) == (126, 31)


def test_the_windows_are_as_long_as_they_are_asked_to_be():
    long = importing.reader_settings(4096, 1024)
    assert (long.max_length, long.doc_stride) == (1024, 64)
    with pytest.raises(TrainSettingsError, match="--max-length 513: this network reads 32 to 512 tokens"):
        importing.reader_settings(512, 513)


def import_bert(bert, tmp_path, gate_settings=LOW, **options):
    """Import without the store, and return what is served."""
    checkpoint = find(str(bert), tmp_path)
    examples = data.load(["sample:dev"])[:24]
    settings = importing.reader_settings(checkpoint.positions)
    candidate_of = importing.Import(checkpoint, settings, tmp_path, examples, gate_settings, "imported", {})
    candidate_of.choose(options.get("precision"))
    return artifact.load(candidate_of.served).metrics


@pytest.fixture(autouse=True)
def _nothing_in_production(monkeypatch):
    monkeypatch.setattr(store, "production", lambda name: None)


def test_int8_that_fails_gives_way_to_full_precision(bert, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no kernel\nfor this")

    monkeypatch.setattr(candidate, "export", fail)
    served = import_bert(bert, tmp_path)["served"]
    assert served["precision"] == "float32"
    assert served["instead_of_int8"] == "the int8 graph fails: RuntimeError: no kernel"
    with pytest.raises(GateError, match="the int8 graph fails"):
        import_bert(bert, tmp_path, precision="int8")


def test_int8_that_costs_too_much_gives_way_to_full_precision(bert, tmp_path, monkeypatch):
    shares = iter([0.5, 1.0])
    original = gate.checks

    def dear(*arguments):
        yield from original(*arguments)
        yield gate.Check(gate.SERVED_RATIO, next(shares), 0.99)

    monkeypatch.setattr(gate, "checks", dear)
    served = import_bert(bert, tmp_path)["served"]
    assert served["precision"] == "float32"
    assert "int8 costs too much: F1 as served over F1 in full precision is 0.500" in served["instead_of_int8"]


def test_a_floor_that_it_misses_refuses_it(bert, tmp_path):
    with pytest.raises(GateError, match="F1 on sample"):
        import_bert(bert, tmp_path, LOW.model_copy(update={"min_f1": {"*": 99.0}}), precision="float32")


def test_weights_in_full_precision_lie_beside_their_graph_and_are_verified(bert, tmp_path):
    import_bert(bert, tmp_path, precision="float32")
    weights = tmp_path / "served" / artifact.WEIGHTS
    assert weights.stat().st_size > (tmp_path / "served" / artifact.GRAPH).stat().st_size
    with weights.open("r+b") as stream:
        stream.write(b"changed")
    with pytest.raises(ArtifactError, match=r"model\.onnx\.data has changed"):
        artifact.load(tmp_path / "served")
