"""The log of requests: in process, of a real server, and with the traces that BentoML exports."""

import contextlib
import gzip
import importlib
import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from bento_service import request_log
from bento_service.request_log import RequestLog, note
from bento_service.schema import EXAMPLE_REQUEST
from tests.servers import ROOT, home_beside, serve

WAIT_S = 30
MADE = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def lines(capsys):
    """Read what was logged since the last time, parsed."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def noting(scope, receive, send):
    note(scope, route="/answer", windows=2)
    await Response("text", 201)(scope, receive, send)


async def failing(scope, receive, send):
    raise RuntimeError("text")


def ask(app, path="/answer", **headers):
    """Ask an ASGI application with a log, in process."""
    transport = httpx.ASGITransport(RequestLog(app), raise_app_exceptions=False)

    async def request():
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get(path, headers=headers)

    return request()


pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def test_a_request_is_one_line(lines):
    response = await ask(noting, **{"X-Request-ID": "shop.7-b_2"})
    assert (response.status_code, response.headers["x-request-id"]) == (201, "shop.7-b_2")
    (line,) = lines()
    assert list(line) == [
        "time",
        "request_id",
        *("route", "status", "ms", "waited_ms", "read_ms", "windows", "model"),
    ]
    assert (line["request_id"], line["route"], line["status"], line["windows"]) == ("shop.7-b_2", "/answer", 201, 2)
    assert (line["waited_ms"], line["model"]) == (None, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", str(line["time"]))


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 129, 'a"b', "ü", "a\tb"])
async def test_an_id_that_could_be_text_is_replaced(given, lines):
    headers = {} if given is None else {"X-Request-ID": given.encode()}
    taken = (await ask(noting, **headers)).headers["x-request-id"]
    assert MADE.fullmatch(taken)
    assert [line["request_id"] for line in lines()] == [taken]


async def test_a_failure_is_a_line_with_status_500(lines):
    await ask(failing)
    (line,) = lines()
    assert (line["status"], line["route"]) == (500, None)
    assert "text" not in str(line)


async def test_a_full_disk_fails_no_request(monkeypatch):
    with contextlib.suppress(OSError), Path("/dev/full").open("w") as full:  # closing it fails too
        monkeypatch.setattr(sys, "stdout", full)
        response = await ask(noting)
    assert (response.status_code, response.text) == (201, "text")


@pytest.mark.parametrize("path", request_log.SILENT)
async def test_probes_have_no_line_but_an_id(path, lines):
    assert MADE.fullmatch((await ask(noting, path)).headers["x-request-id"])
    assert not lines()


def logged(server, request_id):
    """The lines of a request; waits for the first, which is written once the answer is sent."""
    deadline = time.monotonic() + WAIT_S
    while request_id not in server.log:
        assert time.monotonic() < deadline, server.log
        time.sleep(0.05)
    return [json.loads(line) for line in server.log.splitlines() if request_id in line]


def test_a_server_logs_each_request_once(server, client):
    asked = [
        ("good-1", "POST", "/answer", EXAMPLE_REQUEST, 200),
        ("bad-1", "POST", "/answer", {}, 422),
        ("lost-1", "GET", "/secret-path?q=secret", None, 404),
        ("method-1", "DELETE", "/answer", None, 405),
    ]
    found = {}
    for request_id, method, path, body, status in asked:
        response = client.request(method, path, json=body, headers={"X-Request-ID": request_id})
        assert (response.status_code, response.headers["x-request-id"]) == (status, request_id)
        (found[request_id],) = logged(server, request_id)
    assert {name: line["status"] for name, line in found.items()} == {name: status for name, *_, status in asked}
    assert {name: line["route"] for name, line in found.items()} == {
        "good-1": "/answer",
        "bad-1": "/answer",
        "lost-1": None,
        "method-1": "/answer",
    }
    good = found["good-1"]
    assert good["model"] == found["bad-1"]["model"] == client.get("/health").json()["model"]["tag"]
    assert good["windows"] == 1
    assert 0 < good["read_ms"] <= good["ms"]
    assert 0 <= good["waited_ms"] <= good["ms"]
    assert found["bad-1"]["windows"] is None
    assert "trace_id" not in good
    assert "secret" not in server.log
    assert "method=POST" not in server.log  # BentoML's own access log


class Collector(BaseHTTPRequestHandler):
    """Takes the spans that an exporter sends by OTLP over HTTP, each with the name of its service."""

    spans: list[tuple[str, Any]]

    def do_POST(self):
        protocol = importlib.import_module("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        sent = protocol.ExportTraceServiceRequest.FromString(body)
        for resource in sent.resource_spans:
            service = {pair.key: pair.value.string_value for pair in resource.resource.attributes}["service.name"]
            self.spans += [(service, span) for scope in resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        """Keep silent."""


@contextlib.contextmanager
def collecting():
    """Run a collector; its port, and what it has got so far."""
    spans: list[tuple[str, Any]] = []
    handler = type("Handler", (Collector,), {"spans": spans})
    with HTTPServer(("127.0.0.1", 0), handler) as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        yield collector.server_address[1], spans
        collector.shutdown()
        thread.join()


TRACING = """
services:
  extractive-qa:
    tracing:
      exporter_type: otlp
      sample_rate: 1.0
      otlp:
        protocol: http
        endpoint: http://127.0.0.1:{port}/v1/traces
"""


def test_traces_are_exported_when_they_are_configured(tiny_store, tmp_path):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="`make test` installs it")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with collecting() as (port, collected):
        (tmp_path / "bentoml.yaml").write_text(TRACING.format(port=port))
        tracing = {"BENTOML_CONFIG": str(tmp_path / "bentoml.yaml"), "OTEL_SDK_DISABLED": "false"}
        with serve(home_beside(tiny_store, tmp_path), tmp_path, OTEL_BSP_SCHEDULE_DELAY="100", **tracing) as server:
            headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "X-Request-ID": "traced-1"}
            assert httpx.post(f"{server.url}/answer", json=EXAMPLE_REQUEST, headers=headers, timeout=30).is_success
            (line,) = logged(server, "traced-1")
            deadline = time.monotonic() + WAIT_S
            while not (spans := [pair for pair in collected if pair[1].trace_id.hex() == trace]):
                assert time.monotonic() < deadline
                time.sleep(0.1)
    assert line["trace_id"] == trace
    assert {service for service, _ in spans} == {"extractive-qa"}
    assert any(span.name.startswith("POST") for _, span in spans)
    assert "France" not in str(spans)


def test_the_page_names_the_exporter_that_goes_with_the_locked_sdk():
    (version,) = re.findall(r"^opentelemetry-sdk==(\S+)", (ROOT / "requirements/serve.txt").read_text(), re.MULTILINE)
    exporter = f"opentelemetry-exporter-otlp-proto-http=={version}"
    assert f'echo "{exporter}" >> requirements/serve.in' in (ROOT / "docs/metrics.md").read_text()
    assert f"{exporter} " in (ROOT / "requirements/test.in").read_text()
