import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import httpx
import pytest

from bento_service import artifact
from bento_service.schema import EXAMPLE_REQUEST, VERSION
from tests.servers import ROOT, serve

LONG = {"question": "Where?", "context": ("Ada walked from the mill to the sea. " * 3_000)[:100_000]}

CONTEXTS = {
    "plain": EXAMPLE_REQUEST["context"],
    "one character": "x",
    "emoji": "👩‍👩‍👧‍👦 eat 🍜 in 東京 with Zoë 🇫🇷👍🏽, then they sleep.",
    "combining": "Cafe\u0301 nai\u0308ve Ångström A\u030angstro\u0308m ﬁne ẞ ǅ",
    "right to left": "عاصمة فرنسا هي باريس. בירת צרפת היא פריז.",
    "control": "A\u0000B \u0007bell\u001b[31m \tTab\r\nCRLF \u007f\u0085 end",
    "format": "zero\u200bwidth \u200ejoined \ufeffmark \u2028line",
    "astral": "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈 𠜎 is beyond the plane",
    "not characters": "\ufffe and \U0010ffff and \ufffd and \ue000",
    "no token at all": "\ufffd",
    "long": LONG["context"][:5_000],
}


def ask(client, context, **fields):
    """Return the answer of a good request."""
    response = client.post("/answer", json={"question": "Where is it?", "context": context} | fields)
    assert response.status_code == 200, response.text
    return response.json()


def spans(answer):
    """The answer and its alternatives."""
    return [answer, *answer["alternatives"]]


def test_answer_has_four_fields(client):
    response = client.post("/answer", json=EXAMPLE_REQUEST)
    assert response.status_code == 200
    assert response.headers["x-model"].startswith("extractive-qa:")
    answer = response.json()
    assert list(answer) == ["answer", "confidence", "start_pos", "end_pos"]
    assert 0 <= answer["confidence"] <= 1
    assert str(EXAMPLE_REQUEST["context"])[answer["start_pos"] : answer["end_pos"]] == answer["answer"]


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_offsets_in_code_points(client, context):
    for span in spans(ask(client, context, top_k=20)):
        assert context[span["start_pos"] : span["end_pos"]] == span["answer"]


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_offsets_in_utf16_as_javascript_counts(client, context):
    units = context.encode("utf-16-le")
    for span in spans(ask(client, context, top_k=20, offsets="utf16")):
        assert units[2 * span["start_pos"] : 2 * span["end_pos"]].decode("utf-16-le") == span["answer"]


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_alternatives_are_ranked_and_apart(client, context):
    found = spans(ask(client, context, top_k=20))
    assert len(found) <= 20
    alone = ask(client, context, top_k=1)
    assert alone == found[0] | {"alternatives": []}
    confidences = [span["confidence"] for span in found]
    assert confidences == sorted(confidences, reverse=True)
    said = [span["answer"] for span in found]
    assert len(set(said)) == len(said)
    ranges = sorted((span["start_pos"], span["end_pos"]) for span in found)
    assert all(left[1] <= right[0] for left, right in pairwise(ranges))


def test_alternatives_are_there_when_top_k_is_sent(client):
    assert ask(client, "x", top_k=1)["alternatives"] == []
    assert len(ask(client, LONG["context"][:500], top_k=3)["alternatives"]) == 2
    assert "alternatives" not in ask(client, "x", max_answer_length=3)


def test_what_the_model_cannot_read_is_no_confident_answer(client):
    thai = "ห้องสมุดของโรงเรียนเปิดเวลาแปดโมงเช้า"
    answer = ask(client, thai, question="ห้องสมุดเปิดกี่โมง")
    assert answer["confidence"] == 0
    assert "unknown_words_in_question" in answer["warnings"]
    assert "warnings" not in ask(client, CONTEXTS["plain"])


def test_an_identifier_is_cut_only_where_that_is_asked_for(client):
    context = "https://docs.example.org/a?b=1"
    assert {ask(client, context, max_answer_length=n)["answer"] for n in (1, 2, 3)} == {context}
    assert ask(client, context, max_answer_length=1, align_to_words=False)["answer"] != context


def test_repeated_text_is_one_answer(client):
    answer = ask(client, "Ada swims. " * 5, top_k=20)
    assert "occurrences" in answer
    assert sum(span.get("occurrences", 1) for span in spans(answer)) >= 10
    said = [span["answer"].lower() for span in spans(answer)]
    assert len(set(said)) == len(said)


def test_max_answer_length(client):
    context = "one two three four five six seven"
    assert all(len(span["answer"].split()) == 1 for span in spans(ask(client, context, max_answer_length=1, top_k=20)))
    assert ask(client, context, max_answer_length=None) == ask(client, context)


def test_allow_no_answer(client):
    for context in CONTEXTS.values():
        answer = ask(client, context, allow_no_answer=True)
        assert list(answer)[:4] == ["answer", "confidence", "start_pos", "end_pos"]
        assert answer.keys() - {"occurrences", "warnings"} == set(list(answer)[:4])
        if answer["answer"] == "":
            assert (answer["start_pos"], answer["end_pos"]) == (0, 0)


def test_longest_context_and_question(client):
    answer = ask(client, LONG["context"], question="why " * 90)
    assert LONG["context"][answer["start_pos"] : answer["end_pos"]] == answer["answer"]


def test_batch_equals_single_questions(client):
    queries = [{"question": "Where is it?", "context": context, "top_k": 3} for context in CONTEXTS.values()]
    queries[0]["offsets"] = queries[2]["offsets"] = "utf16"
    response = client.post("/answers", json={"queries": queries})
    assert response.status_code == 200
    assert response.json() == {"answers": [client.post("/answer", json=query).json() for query in queries]}


def test_one_question_about_many_contexts_has_one_ranking(client):
    contexts = [*CONTEXTS.values()] * 9
    response = client.post("/answer", json={"question": "Where is it?", "contexts": contexts, "top_k": 20})
    assert response.status_code == 200, response.text
    for span in spans(response.json()):
        assert contexts[span["context"]][span["start_pos"] : span["end_pos"]] == span["answer"]
    (alone,) = [client.post("/answer", json={"question": "Where?", "contexts": [CONTEXTS["plain"]]}).json()]
    assert alone == ask(client, CONTEXTS["plain"], question="Where?") | {"context": 0}


def test_many_questions_about_one_context_are_answered_in_order(client):
    questions = [f"What does clause {i} say?" for i in range(64)]
    context = LONG["context"][:5_000]
    response = client.post("/answer", json={"questions": questions, "context": context, "top_k": 2})
    assert response.status_code == 200, response.text
    assert list(response.json()) == ["answers"]
    alone = [ask(client, context, question=question, top_k=2) for question in questions[:3]]
    assert response.json()["answers"][:3] == alone
    assert len(response.json()["answers"]) == 64


def test_parallel_questions_get_their_own_answers(client):
    contexts = [f"Number {i} lives in house {i * 7}." for i in range(40)]
    alone = [ask(client, context) for context in contexts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda context: ask(client, context), contexts)) == alone


def test_bentomls_client_calls_by_keywords(server, tiny_store):
    """In a process of its own: the client leaves a temporary folder to the garbage collector."""
    script = f"""
import json, bentoml
from bento_service.schema import EXAMPLE_REQUEST
with bentoml.SyncHTTPClient({server.url!r}) as http:
    answer = http.answer(**EXAMPLE_REQUEST)
    three = http.answer(**EXAMPLE_REQUEST, top_k=3)
    batch = http.answers(queries=[EXAMPLE_REQUEST])
    several = http.answer(questions=[EXAMPLE_REQUEST["question"]], context=EXAMPLE_REQUEST["context"])
    try:
        http.answer(question=" ", context="Ada.")
    except bentoml.exceptions.BentoMLException as error:
        refused = str(error)
print(json.dumps([answer, three, batch, several, refused]))
"""
    answer, three, batch, several, refused = run_script(script, tiny_store)
    assert list(answer) == ["answer", "confidence", "start_pos", "end_pos"]
    assert len(three["alternatives"]) == 2
    assert batch == several == {"answers": [answer]}
    assert "empty_text" in refused


def test_health(client):
    response = client.get("/health")
    assert response.status_code == 200
    health = response.json()
    assert (health["status"], health["model_loaded"], health["version"]) == ("ok", True, VERSION)
    assert abs(datetime.fromisoformat(health["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert health["model"]["tag"] == client.post("/answer", json=EXAMPLE_REQUEST).headers["x-model"]
    assert {"name", "sha256"} <= health["model"]["base_model"].keys()
    assert {"sources", "sha256"} <= health["data"].keys()
    assert health["bento"] is None


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/healthz", "/metrics", "/docs.json", "/schema.json", "/docs", "/"]
)
def test_bentomls_own_routes_work(client, path):
    assert client.get(path).status_code == 200


def test_openapi_documents_the_contract(client):
    document = client.get("/docs.json").json()
    examples = {
        "/answer": EXAMPLE_REQUEST,
        "/answers": {"queries": [EXAMPLE_REQUEST]},
        "/": {"inputs": EXAMPLE_REQUEST},
    }
    for path, example in examples.items():
        operation = document["paths"][path]["post"]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        assert document["components"]["schemas"][schema.rpartition("/")[2]]["example"] == example
        assert set(operation["responses"]) == {"200", "400", "413", "415", "422", "429", "500", "504"}
    fields = document["components"]["schemas"]["AnswerRequest"]["properties"]
    texts = {"question", "questions", "context", "contexts"}
    options = {"top_k", "allow_no_answer", "max_answer_length", "align_to_words", "offsets"}
    assert texts | options == fields.keys()
    assert all("description" in field for field in fields.values())


def test_every_documented_route_exists(client):
    for path, operations in client.get("/docs.json").json()["paths"].items():
        for method in operations:
            assert client.request(method, path).status_code not in (404, 405)


def test_metrics_count_answers_by_route_and_status(client):
    client.post("/answer", json=EXAMPLE_REQUEST)
    client.post("/answer", json={})
    counters = [f'request_total{{endpoint="/answer",http_response_code="{status}"' for status in (200, 422)]
    # An answer is counted once it has been sent.
    deadline = time.monotonic() + 10
    while not all(counter in (metrics := client.get("/metrics").text) for counter in counters):
        assert time.monotonic() < deadline, metrics


def burst(url, count, **request):
    """Send one request many times at once and return the responses."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: httpx.post(f"{url}/answer", timeout=30, **request), range(count)))


def test_too_many_at_once(tiny_store, tmp_path):
    with serve(tiny_store, tmp_path, QNA_MAX_CONCURRENCY="1") as server:
        responses = burst(server.url, 8, json=LONG)
        assert {response.status_code for response in responses} == {200, 429}
        refused = [response for response in responses if response.status_code == 429]
        assert all(response.json()["error"] == "too_many_requests" for response in refused)
        assert all(int(response.headers["retry-after"]) >= 1 for response in refused)
        assert httpx.get(f"{server.url}/health", timeout=30).status_code == 200
        assert httpx.post(f"{server.url}/answer", json=EXAMPLE_REQUEST, timeout=30).status_code == 200


def test_too_slow(tiny_store, tmp_path):
    with serve(tiny_store, tmp_path, QNA_TIMEOUT_S="0.02", QNA_MAX_CONCURRENCY="4") as server:
        response = httpx.post(f"{server.url}/answer", json=LONG, timeout=30)
        assert (response.status_code, response.json()["error"]) == (504, "too_slow")
        assert "0.02 s" in response.json()["detail"]
        assert "Traceback" not in server.log


def test_browsers_of_other_origins_where_bentoml_is_configured_for_them(tiny_store, tmp_path):
    config = tmp_path / "bentoml.yaml"
    config.write_text(
        "services:\n  extractive-qa:\n    http:\n      cors:\n        enabled: true\n"
        "        access_control_allow_origins: [https://app.example]\n"
        "        access_control_allow_methods: [GET, POST]\n        access_control_allow_headers: [Content-Type]\n"
    )
    origin = {"Origin": "https://app.example"}
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    with (
        serve(tiny_store, tmp_path, BENTOML_CONFIG=str(config)) as server,
        httpx.Client(base_url=server.url, timeout=30, headers=origin) as browser,
    ):
        for path in ("/", "/answer", "/answers", "/health"):
            response = browser.options(path, headers=preflight)
            assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, origin["Origin"])
            assert "POST" in response.headers["access-control-allow-methods"]
        answers = [browser.post("/answer", json=body) for body in (EXAMPLE_REQUEST, {})]
        assert [answer.status_code for answer in answers] == [200, 422]
        for response in [*answers, browser.get("/health")]:
            assert response.headers["access-control-allow-origin"] == origin["Origin"]
        foreign = browser.options("/answer", headers=preflight | {"Origin": "https://other.example"})
        assert "access-control-allow-origin" not in foreign.headers
        assert browser.options("/nothing", headers=preflight).status_code == 404
        assert browser.options("/answer").status_code == 405


def test_without_a_model_it_says_what_to_do(tmp_path):
    with (
        pytest.raises(RuntimeError, match="has no model extractive-qa:latest; run `make train`"),
        serve(tmp_path / "empty", tmp_path),
    ):
        pass


def test_bad_settings_are_named(tiny_store, tmp_path):
    with pytest.raises(RuntimeError, match="QNA_TIMEOUT_S"), serve(tiny_store, tmp_path, QNA_TIMEOUT_S="soon"):
        pass


def test_never_ready_with_a_model_that_cannot_answer(tiny_store, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(tiny_store / "models", home / "models")
    folder = next((home / "models" / "extractive-qa").glob("*/model.onnx")).parent
    (folder / artifact.GRAPH).write_bytes(b"no graph")
    artifact.seal(folder)
    with pytest.raises(RuntimeError, match="startup failed"), serve(home, tmp_path):
        pass


def test_serves_without_torch_and_transformers(tiny_store):
    script = """
import json, sys
from starlette.testclient import TestClient
from bento_service.schema import EXAMPLE_REQUEST
from bento_service.service import ExtractiveQA
with TestClient(ExtractiveQA.to_asgi()) as client:
    status = client.post("/answer", json=EXAMPLE_REQUEST).status_code
print(json.dumps([status, sorted({"torch", "transformers", "training"} & sys.modules.keys())]))
"""
    assert run_script(script, tiny_store) == [200, []]


def test_the_reading_speed_is_known_before_the_first_request(tiny_store):
    """Without it, a pod that has just started would admit more long texts than it can read in time."""
    script = """
from starlette.testclient import TestClient
from bento_service.service import ExtractiveQA, app
with TestClient(ExtractiveQA.to_asgi()):
    print(app.state.service.reader.tokens_per_s())
"""
    assert run_script(script, tiny_store) > 0


def run_script(script, home, **variables):
    """Run Python code in a process of its own and return what its last line says in JSON."""
    environment = os.environ | {"BENTOML_HOME": str(home), "PYTHONPATH": str(ROOT)} | variables
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
