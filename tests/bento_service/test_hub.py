"""The hub's own client, and what is told to who takes one contract for the other."""

import httpx
import pytest
from huggingface_hub import InferenceClient, constants
from huggingface_hub.errors import HfHubHTTPError

from bento_service import artifact, pipelines
from bento_service.schema import EXAMPLE_REQUEST
from tests.bento_service.test_bad_input import MARKER

QUESTION, CONTEXT = str(EXAMPLE_REQUEST["question"]), str(EXAMPLE_REQUEST["context"])


@pytest.fixture
def hub(server, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # the tests are offline, and the server is here
    with InferenceClient(model=server.url, timeout=30) as client:
        yield client


def post(client, **body):
    return client.post("/", json=body)


def test_the_hubs_client_is_answered(hub):
    answer = hub.question_answering(question=QUESTION, context=CONTEXT)
    assert CONTEXT[answer.start : answer.end] == answer.answer
    assert 0 <= answer.score <= 1


def test_the_hubs_client_may_send_every_parameter(hub):
    parameters = {"doc_stride": 8, "max_seq_len": 64, "max_answer_len": 4, "max_question_len": 32}
    flags = {"handle_impossible_answer": True, "align_to_words": False}
    three = hub.question_answering(question=QUESTION, context=CONTEXT, top_k=3, **parameters, **flags)
    assert [CONTEXT[answer.start : answer.end] for answer in three] == [answer.answer for answer in three]
    assert len(three) == 3


def test_it_is_the_pipeline_over_http(client, tiny_model):
    qa = pipelines.QuestionAnsweringPipeline(artifact.load(tiny_model).reader())
    inputs = {"question": QUESTION, "context": CONTEXT}
    for parameters in ({}, {"top_k": 3}, {"max_answer_len": 1, "align_to_words": False}):
        response = post(client, inputs=inputs, parameters=parameters)
        assert response.status_code == 200
        assert response.headers["x-model"].startswith("extractive-qa:")
        assert response.json() == qa(**inputs, **parameters)


def test_the_hubs_client_is_told_what_is_wrong(hub, server):
    with pytest.raises(HfHubHTTPError, match="empty_text"):
        hub.question_answering(question=" ", context=CONTEXT)
    with pytest.raises(HfHubHTTPError, match="too_large"):
        hub.question_answering(question=f"{MARKER} " * 200, context=CONTEXT)
    assert MARKER not in server.log


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"inputs": {"question": "Who?"}}, 422, "inputs.context: is missing"),
        ({"question": "Who?", "context": "Ada."}, 422, "inputs: is missing"),
        ({"inputs": {"question": "Who?", "context": "Ada."}, "parameters": {"beams": 2}}, 422, "parameters.beams"),
        ({"inputs": {"question": "Who?", "context": "Ada."}, "parameters": {"top_k": 0}}, 422, "parameters.top_k"),
        ({"inputs": {"question": "Who?", "context": "Ada."}, "parameters": {"max_seq_len": 512}}, 422, "at most 384"),
        ({"inputs": {"question": "Who?", "context": "x" * 100_001}}, 413, "inputs.context"),
    ],
)
def test_a_wrong_request_is_told(client, body, status, told):
    response = post(client, **body)
    assert response.status_code == status
    assert told in response.json()["detail"]


def test_no_parameters_are_none(client):
    inputs = {"question": QUESTION, "context": CONTEXT}
    parameters = {"top_k": None, "doc_stride": None}
    assert post(client, inputs=inputs, parameters=None).json() == post(client, inputs=inputs).json()
    assert post(client, inputs=inputs, parameters=parameters).json() == post(client, inputs=inputs).json()


def test_the_page_is_at_the_same_path(client):
    assert "<title>Ask a passage</title>" in client.get("/").text
    assert client.put("/").headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("handle_impossible_answer", "it is called allow_no_answer here"),
        ("max_answer_len", "it is called max_answer_length here"),
        ("doc_stride", "POST / takes others"),
        ("max_seq_len", "POST / takes others"),
        ("inputs", "send question and context themselves"),
        ("documents", "it is called contexts"),
    ],
)
def test_the_pipelines_names_are_told_their_successor(client, field, told):
    query = EXAMPLE_REQUEST | {field: 1}
    for response in (client.post("/answer", json=query), client.post("/answers", json={"queries": [query]})):
        assert response.status_code == 422
        assert f"{field}: is not a field of this request" in response.json()["detail"]
        assert told in response.json()["detail"]


def test_it_answers_in_the_same_words_as_the_other_routes(server):
    response = httpx.post(server.url, content=b"{", headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["error"]) == (422, "malformed_json")
    assert httpx.post(server.url, data={"inputs": "x"}).status_code == 415
