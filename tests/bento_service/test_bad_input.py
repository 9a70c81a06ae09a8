"""What a client can send wrong, each against a real server: never a 5xx, a hang, or the text in the log."""

import json
import socket

import pytest

EXAMPLE = None
MARKER = "zebra-quartz-7431"
"""Stands in every text that is sent, and must never be seen in the log."""
QUESTION = f"Who keeps the {MARKER}?"
CONTEXT = f"The {MARKER} is kept by Ada."
JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def _text_stays_out_of_the_log(server):
    yield
    assert MARKER not in server.log
    assert "Traceback" not in server.log


def body(**fields):
    """A good request's body, with some fields changed."""
    return json.dumps({"question": QUESTION, "context": CONTEXT} | fields).encode()


def without(name):
    """A good request's body, less one field."""
    return json.dumps({n: v for n, v in {"question": QUESTION, "context": CONTEXT}.items() if n != name}).encode()


def raw(question=b'"Who?"', rest=b""):
    """A request as it goes over the wire, for what json.dumps won't write."""
    return b'{"question": ' + question + b', "context": "' + CONTEXT.encode() + b'"' + rest + b"}"


EMPTY = [
    ("empty question", body(question="")),
    ("empty context", body(context="")),
    ("blank question", body(question=" \t\r\n ")),
    ("blank context", body(context="\u00a0\u3000\u2028")),
    ("invisible context", body(context="\u200b\u0000\ufeff")),
    ("one empty context", body(context=None, contexts=[CONTEXT, " "])),
    ("one empty question", body(question=None, questions=["", QUESTION])),
]

INVALID = [
    ("no question", without("question"), "question"),
    ("no context", without("context"), "context"),
    ("no fields", b"{}", "question"),
    ("null question", body(question=None), "question"),
    ("null context", body(context=None), "context"),
    ("question and questions", body(questions=[QUESTION]), "question or questions"),
    ("context and contexts", body(contexts=[CONTEXT]), "context or contexts"),
    ("questions and contexts", json.dumps({"questions": [QUESTION], "contexts": [CONTEXT]}).encode(), "questions and"),
    ("no questions", body(question=None, questions=[]), "questions"),
    ("no contexts", body(context=None, contexts=[]), "contexts"),
    ("null among contexts", body(context=None, contexts=[CONTEXT, None]), "contexts.1"),
    ("text as questions", body(question=None, questions=QUESTION), "questions"),
    ("number as question", body(question=42), "question"),
    ("array as context", body(context=[CONTEXT]), "context"),
    ("object as question", body(question={"text": QUESTION}), "question"),
    ("boolean as context", body(context=True), "context"),
    ("an array", f'["{CONTEXT}"]'.encode(), "body"),
    ("a string", f'"{CONTEXT}"'.encode(), "body"),
    ("a number", b"17", "body"),
    ("null", b"null", "body"),
    ("top_k 0", body(top_k=0), "top_k"),
    ("top_k 21", body(top_k=21), "top_k"),
    ("top_k -1", body(top_k=-1), "top_k"),
    ("top_k as text", body(top_k="3"), "top_k"),
    ("top_k as fraction", body(top_k=1.5), "top_k"),
    ("top_k as boolean", body(top_k=True), "top_k"),
    ("top_k not a number", raw(rest=b', "top_k": NaN'), "top_k"),
    ("top_k infinite", raw(rest=b', "top_k": 1e400'), "top_k"),
    ("allow_no_answer as text", body(allow_no_answer="true"), "allow_no_answer"),
    ("allow_no_answer as number", body(allow_no_answer=1), "allow_no_answer"),
    ("max_answer_length 0", body(max_answer_length=0), "max_answer_length"),
    ("max_answer_length 201", body(max_answer_length=201), "max_answer_length"),
    ("max_answer_length huge", body(max_answer_length=10**300), "max_answer_length"),
    ("unknown offsets", body(offsets="utf8"), "offsets"),
    ("unknown field", body(temperature=1), "temperature"),
    ("text as field", json.dumps({CONTEXT * 100: 1}).encode(), "is not a field"),
    ("text as field beside others", body(**{CONTEXT * 100: 1}), "is not a field"),
]

MALFORMED = [
    ("empty body", b""),
    ("blank body", b"   "),
    ("cut off", body()[:-2]),
    ("two values", body() + body()),
    ("trailing comma", body()[:-1] + b",}"),
    ("single quotes", body().replace(b'"', b"'")),
    ("form data", f"question={QUESTION}&context={CONTEXT}".encode()),
    ("UTF-16", body().decode().encode("utf-16")),
    ("invalid UTF-8", raw(question=b'"Who \xff\xfe?"')),
    ("UTF-8 cut off", raw(question=b'"Who \xe2\x82"')),
    ("surrogate in UTF-8", raw(question=b'"Who \xed\xa0\x80?"')),
    ("lone high surrogate", raw(question=rb'"Who \ud800?"')),
    ("lone low surrogate", raw(question=rb'"Who \udc00?"')),
    ("raw control character", raw(question=b'"Who\x07?"')),
    ("raw NUL", raw(question=b'"Who\x00?"')),
    ("deep arrays", raw(question=b"[" * 100_000)),
    ("deep objects", b'{"question":' * 80_000),
    ("deep and closed", raw(rest=b', "x": ' + b"[" * 100_000 + b"]" * 100_000)),
    ("number of 5,000 digits", raw(rest=b', "top_k": ' + b"9" * 5_000)),
]

LARGE = [
    ("body of 2 MB", body(context=CONTEXT * 75_000)),
    ("context of 101,000 characters", body(context=(CONTEXT * 4_000)[:101_000])),
    ("question of 2,001 characters", body(question=(QUESTION * 100)[:2_001])),
    ("question longer than a window", body(question="why " * 450 + MARKER)),
    ("101 contexts", body(context=None, contexts=[CONTEXT] * 101)),
    ("65 questions", body(question=None, questions=[QUESTION] * 65)),
    ("contexts of 200,001 characters", body(context=None, contexts=["x" * 66_667] * 3)),
    ("a question of 2,001 characters", body(question=None, questions=[QUESTION, "x" * 2_001])),
]

MEDIA_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/vnd.bentoml+pickle",
    "application/jsonp",
    "application/json; charset=latin-1",
    "application/json, text/plain",
    "",
    ";",
]


def table(rows):
    """Parametrise with the first column as the test's name."""
    return [pytest.param(*row[1:], id=row[0]) for row in rows]


def assert_error(response, status, error):
    """It is the contract's error, and says nothing of the text."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    problem = response.json()
    assert problem.keys() == {"error", "detail"}
    assert problem["error"] == error
    return problem["detail"]


@pytest.mark.parametrize("content", table(EMPTY))
def test_empty_text(client, content):
    assert "visible" in assert_error(client.post("/answer", content=content, headers=JSON), 400, "empty_text")


@pytest.mark.parametrize(("content", "field"), table(INVALID))
def test_invalid_request_names_the_field_and_not_its_value(client, content, field):
    detail = assert_error(client.post("/answer", content=content, headers=JSON), 422, "invalid_request")
    assert field in detail
    assert QUESTION not in detail
    assert len(detail) < 1_000


@pytest.mark.parametrize("content", table(MALFORMED))
def test_malformed_json(client, content):
    detail = assert_error(client.post("/answer", content=content, headers=JSON), 422, "malformed_json")
    assert MARKER not in detail


@pytest.mark.parametrize("content", table(LARGE))
def test_too_large(client, content):
    detail = assert_error(client.post("/answer", content=content, headers=JSON), 413, "too_large")
    assert MARKER not in detail


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_wrong_media_type(client, media_type):
    response = client.post("/answer", content=body(), headers={"Content-Type": media_type})
    assert "application/json" in assert_error(response, 415, "unsupported_media_type")


def test_missing_media_type(client):
    assert_error(client.post("/answer", content=body()), 415, "unsupported_media_type")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON;charset=UTF-8"])
def test_good_media_types(client, media_type):
    assert client.post("/answer", content=body(), headers={"Content-Type": media_type}).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip"])
def test_a_compressed_body(client, encoding):
    response = client.post("/answer", content=body(), headers=JSON | {"Content-Encoding": encoding})
    assert "Content-Encoding" in assert_error(response, 415, "unsupported_media_type")
    assert client.post("/answer", content=body(), headers=JSON | {"Content-Encoding": "identity"}).status_code == 200


@pytest.mark.parametrize("half", [rb"\ud83d", rb"\udc00", rb"\uD83Dx"])
def test_half_of_a_surrogate_pair_is_named(client, half):
    response = client.post("/answer", content=raw(question=b'"Who ' + half + b'?"'), headers=JSON)
    assert "surrogate" in assert_error(response, 422, "malformed_json")


def test_a_byte_order_mark_is_skipped(client):
    assert client.post("/answer", content=b"\xef\xbb\xbf" + body(), headers=JSON).status_code == 200


def test_null_is_the_absence_of_an_optional_field(client):
    absent = body(top_k=None, allow_no_answer=None, max_answer_length=None, offsets=None)
    response = client.post("/answer", content=absent, headers=JSON)
    assert response.json() == client.post("/answer", content=body(), headers=JSON).json()


def test_body_of_2_mb_without_a_content_length(client):
    chunks = (CONTEXT.encode() * 1_000 for _ in range(75))
    assert_error(client.post("/answer", content=chunks, headers=JSON), 413, "too_large")


def test_announced_2_mb_are_refused_before_they_are_sent(server):
    with socket.create_connection(server.address, timeout=10) as connection:
        head = "POST /answer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_content_length_that_is_too_short(server):
    head = "POST /answer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n"
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(head.encode() + body())
        assert connection.recv(100).startswith(b"HTTP/1.1 422 ")


@pytest.mark.parametrize("content_length", ["-1", "ten", "9" * 5_000])
def test_a_content_length_that_is_none(server, content_length):
    head = f"POST /answer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {content_length}"
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + body())
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_shape_is_told_before_size_and_size_before_emptiness(client):
    wrong = body(question="", context=(CONTEXT * 4_000)[:101_000], top_k=0)
    assert_error(client.post("/answer", content=wrong, headers=JSON), 422, "invalid_request")
    large = body(question="", context=(CONTEXT * 4_000)[:101_000])
    assert_error(client.post("/answer", content=large, headers=JSON), 413, "too_large")


def test_duplicate_keys_are_fine(client):
    assert client.post("/answer", content=raw(rest=b', "top_k": 2, "top_k": 1'), headers=JSON).status_code == 200


BATCHES = [
    ("no queries", {}, 422, "invalid_request"),
    ("empty", {"queries": []}, 422, "invalid_request"),
    ("bare list", [{"question": QUESTION, "context": CONTEXT}], 422, "invalid_request"),
    ("one bad query", {"queries": [{"question": QUESTION, "context": CONTEXT}, {"question": 1}]}, 422, None),
    ("one empty text", {"queries": [{"question": QUESTION, "context": " "}]}, 400, "empty_text"),
    ("65 queries", {"queries": [{"question": QUESTION, "context": CONTEXT}] * 65}, 413, "too_large"),
    ("too much text", {"queries": [{"question": "Who?", "context": CONTEXT * 2_000}] * 4}, 413, "too_large"),
    ("a question too long", {"queries": [{"question": "why " * 450, "context": CONTEXT}]}, 413, "too_large"),
]


@pytest.mark.parametrize(("batch", "status", "error"), table(BATCHES))
def test_bad_batches(client, batch, status, error):
    detail = assert_error(client.post("/answers", json=batch), status, error or "invalid_request")
    assert MARKER not in detail


def test_a_batch_says_which_query_is_wrong(client):
    batch = {"queries": [{"question": QUESTION, "context": CONTEXT}, {"question": 1, "context": CONTEXT}]}
    assert "queries.1.question" in client.post("/answers", json=batch).json()["detail"]


@pytest.mark.parametrize("path", ["/", "/answer", "/answers", "/health", f"/{MARKER}", "/answer/", "/Answer"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_other_methods_and_paths(client, method, path):
    response = client.request(method, path)
    known = path in ("/", "/answer", "/answers", "/health")
    assert_error(response, 405 if known else 404, "method_not_allowed" if known else "not_found")
    assert ("allow" in response.headers) == known


def test_what_is_asked_in_vain_leaves_no_trace(client, server):
    assert_error(client.get(f"/{MARKER}?q={MARKER}"), 404, "not_found")
    assert MARKER not in client.get("/metrics").text


def test_a_websocket_is_refused(server):
    head = (
        f"GET /{MARKER} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
    )
    with socket.create_connection(server.address, timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 403 ")


def test_a_whole_number_may_have_a_point(client):
    """3.0 is an integer to JSON Schema, and what languages with one kind of number send."""
    three, three_and_nothing, two_and_a_half = (
        client.post("/answer", content=body(top_k=number), headers=JSON) for number in (3, 3.0, 2.5)
    )
    assert three.status_code == 200
    assert three_and_nothing.json() == three.json()
    assert two_and_a_half.status_code == 422
