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
    assert (reference.name, again.name) == ("torch float32", "onnxruntime float32")
    assert again.same_answers == reference.same_answers == 1
    assert again.f1 == reference.f1
    assert all(0 < result.same_answers <= 1 and result.rate > 0 for result in quantized)


def test_threads_change_the_speed_and_not_the_answers(measured):
    by_name = {result.name: result for result in measured}
    served = by_name["onnxruntime dynamic int8, prepared and narrowed (served)"]
    for name in ("served, one thread", "served, one call at a time on all threads"):
        assert (by_name[name].f1, by_name[name].same_answers) == (served.f1, served.same_answers)


def test_the_table_has_a_line_an_engine(measured):
    lines = race.table(measured).splitlines()
    assert len(lines) == 2 + len(measured)
    assert lines[2].startswith("| torch float32 ")
    assert len({line.count("|") for line in lines}) == 1
