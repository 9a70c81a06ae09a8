import pytest
from transformers import AutoModelForQuestionAnswering

from bento_service import artifact
from bento_service.reading.tokenization import TextTokenizer
from training import data
from training.export import graph, race


@pytest.fixture(scope="module")
def measured(tiny_store, tiny_model):
    (checkpoint,) = (path.parent for path in tiny_store.glob("models/extractive-qa-checkpoint/*/model.safetensors"))
    tokenizer = TextTokenizer.from_file(checkpoint / artifact.TOKENIZER)
    settings = artifact.load(tiny_model).settings
    examples = [example for example in data.load(["sample:dev"]) if example.answers][:24]
    rows = graph.calibration_rows(data.load(["sample:train"]), tokenizer, settings)
    model = AutoModelForQuestionAnswering.from_pretrained(checkpoint)
    return race.race(model, tokenizer, settings, examples, rows[:8])


def test_every_engine_reads_what_full_precision_reads(measured):
    reference, again, *quantized = measured
    assert (reference["name"], again["name"]) == ("torch float32", "onnxruntime float32")
    assert again["same"] == reference["same"] == 1
    assert again["f1"] == reference["f1"]
    assert all(0 < row["same"] <= 1 and row["rate"] > 0 for row in quantized)


def test_threads_change_the_speed_and_not_the_answers(measured):
    of = {row["name"]: row for row in measured}
    served = of["onnxruntime dynamic int8, prepared and narrowing (served)"]
    for name in ("the same, one thread", "the same, one call at once, with all threads"):
        assert (of[name]["f1"], of[name]["same"]) == (served["f1"], served["same"])


def test_the_table_has_a_line_an_engine(measured):
    lines = race.table(measured).splitlines()
    assert len(lines) == 2 + len(measured)
    assert lines[2].startswith("| torch float32 ")
    assert len({line.count("|") for line in lines}) == 1
