"""The model's metrics: of a request in process, of a real server, of two processes, and as their page has them."""

import re
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bento_service import artifact
from bento_service.errors import EmptyText, QuestionTooLong
from bento_service.metrics import Metrics
from bento_service.reading.reader import Query
from bento_service.schema import EXAMPLE_REQUEST
from tests.servers import ROOT, home_beside, serve

PAGE = ROOT / "docs/metrics.md"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", re.MULTILINE)
WAIT_S = 20


def families(server):
    """What /metrics has, by name of the family."""
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(server, name, **labels):
    """The value of one of the model's samples."""
    samples = [sample for family in families(server).values() for sample in family.samples]
    (found,) = (sample.value for sample in samples if sample[:2] == (f"extractive_qa_{name}", labels))
    return found


@pytest.fixture(scope="module")
def reader(tiny_model):
    return artifact.load(tiny_model).reader()


def test_a_request_is_counted_by_its_questions_windows_and_seconds(reader):
    metrics = Metrics("extractive-qa:1", None)
    get = metrics.registry.get_sample_value
    queries = [Query("Who?", "Ada swims."), Query("Who?", ["Ada " * 600, "\ud7a4"])]
    prepared = reader.prepare(queries)
    read = reader.submit(prepared).result(WAIT_S)
    (first,), (second,) = answers = reader.postprocess(prepared, read.logits)
    metrics.count_answers(prepared, read, answers, reader.tokens_per_s())
    assert get("extractive_qa_answers_total", {"outcome": "answer"}) == 2
    assert get("extractive_qa_confidence_count") == 2
    assert get("extractive_qa_confidence_sum") == pytest.approx(first.confidence + second.confidence)
    assert get("extractive_qa_context_characters_sum") == 10 + 2400 + 1
    assert get("extractive_qa_unknown_tokens_ratio_bucket", {"le": "0.0"}) == 1
    assert get("extractive_qa_windows_total") == len(read.logits) > 3
    assert get("extractive_qa_tokens_total") == prepared.tokens
    assert get("extractive_qa_wait_seconds_count") == get("extractive_qa_read_seconds_count") == 1
    assert get("extractive_qa_read_seconds_sum") == read.read_s > 0
    assert get("extractive_qa_expected_tokens_per_second") == reader.tokens_per_s() > 0
    assert get("extractive_qa_model_info", {"model": "extractive-qa:1", "bento": ""}) == 1


def test_no_answer_is_an_outcome_of_its_own(reader):
    metrics = Metrics("m", "b")
    settings = reader.settings.model_copy(update={"null_shift": 1e6})
    prepared = reader.prepare([Query("Who?", "Ada swims.", allow_no_answer=True)])
    read = reader.submit(prepared).result(WAIT_S)
    answers = [reading.answers(settings) for reading in prepared.readings(read.logits)]
    metrics.count_answers(prepared, read, answers, 0.0)
    counted = metrics.registry.get_sample_value
    assert counted("extractive_qa_answers_total", {"outcome": "no_answer"}) == 1
    assert counted("extractive_qa_answers_total", {"outcome": "answer"}) == 0


def test_refusals_have_the_name_of_a_class_of_the_contract_and_no_other():
    metrics = Metrics("m", None)
    for error in (EmptyText("x"), QuestionTooLong("x"), EmptyText("x"), RuntimeError("x")):
        metrics.count_refusal(error)
    (refusals,) = (family for family in metrics.registry.collect() if family.name == "extractive_qa_refusals")
    counted = {s.labels["reason"]: s.value for s in refusals.samples if s.name.endswith("_total")}
    assert counted == {"EmptyText": 2, "QuestionTooLong": 1, "ServiceError": 1}


@pytest.fixture(scope="module")
def server(tiny_store, tmp_path_factory):
    """The service as two processes."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "bentoml.yaml").write_text("services:\n  extractive-qa:\n    workers: 2\n")
    with serve(home_beside(tiny_store, folder), folder, BENTOML_CONFIG=str(folder / "bentoml.yaml")) as running:
        yield running


def ask(server, path="/answer", **body):
    """Send a request by a connection of its own: which process takes it is chance."""
    return httpx.post(f"{server.url}{path}", json=body or EXAMPLE_REQUEST, timeout=30)


def test_processes_are_added_up(server):
    deadline, asked = time.monotonic() + 60, 0
    while len(processes(server)) < 2:
        assert time.monotonic() < deadline
        model = ask(server).headers["x-model"]
        asked += 1
    assert ask(server, "/answers", queries=[EXAMPLE_REQUEST] * 3).is_success
    assert value(server, "answers_total", outcome="answer") == value(server, "confidence_count") == asked + 3
    assert value(server, "wait_seconds_count") == asked + 1
    assert value(server, "model_info", model=model, bento="") == 1


def processes(server):
    """The processes that have answered."""
    last = families(server).get("bentoml_service_last_request_timestamp_seconds")
    return {sample.labels["pid"] for sample in last.samples} if last else set()


def test_the_page_has_every_series_with_its_type_and_labels(server):
    assert ask(server, question="Who?").status_code == 422
    while "extractive_qa_population_stability_index" not in families(server):  # 200 questions of one process are needed
        assert ask(server, "/answers", queries=[EXAMPLE_REQUEST] * 64).is_success
    served = {
        (
            f"{family.name}_total" if family.type == "counter" else family.name,
            family.type,
            frozenset(label for sample in family.samples for label in sample.labels) - {"le"},
        )
        for family in families(server).values()
    }
    rows = ROW.findall(PAGE.read_text())
    assert {(name, kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows} == served
