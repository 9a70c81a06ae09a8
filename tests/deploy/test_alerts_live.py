"""Each alert fires and is resolved in a real Prometheus, which scrapes a real service.

The service's alerts get real traffic. What kube-state-metrics, the kubelet and the blackbox exporter say of a cluster
comes from `Exporters`, under their names: there is no cluster here. A minute of the rules lasts half a second.
"""

import http.client
import json
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from deploy.objects import monitoring
from deploy.objects.alerts import alerts, prometheus_rule
from deploy.settings import Settings
from tests.deploy import prometheus
from tests.servers import home_beside, serve
from training import data

SETTINGS = Settings(monitoring="prometheus")
EVERY = {alert.name for alert in alerts(SETTINGS)}
REQUEST_S = 60
DEADLINE_S = 90
TIMEOUT_S = 6
"""The service's time limit: longer than what QnaSlow takes for slow."""
DAY_S = 86_400

HERE = f'namespace="{SETTINGS.serving_namespace}"'
POD = f'{HERE},pod="model-inference-7d9-x2",uid="1",container="service"'
DEPLOYMENT = f'{HERE},deployment="model-inference"'
SCALER = f'{HERE},horizontalpodautoscaler="qna-hpa"'

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs Debian's package prometheus")


@dataclass
class Exporters:
    """Stand for kube-state-metrics, the kubelet and the blackbox exporter of a cluster that is well, or ill."""

    ill: bool = False
    restarts: int = 0

    def text(self) -> str:
        """Return what is scraped; a pod of an ill cluster restarts all the time."""
        self.restarts += self.ill
        series = {
            f"kube_deployment_status_replicas_available{{{DEPLOYMENT}}}": 0 if self.ill else 2,
            f'kube_deployment_status_condition{{{DEPLOYMENT},condition="Progressing",status="false"}}': self.ill,
            f"kube_pod_container_status_restarts_total{{{POD}}}": self.restarts,
            f'kube_pod_container_status_last_terminated_reason{{{POD},reason="OOMKilled"}}': self.restarts > 0,
            f'kube_horizontalpodautoscaler_status_condition{{{SCALER},condition="ScalingActive",status="false"}}': (
                self.ill
            ),
            f"kube_horizontalpodautoscaler_spec_max_replicas{{{SCALER}}}": 10,
            f"kube_horizontalpodautoscaler_status_current_replicas{{{SCALER}}}": 2,
            f"kube_horizontalpodautoscaler_status_desired_replicas{{{SCALER}}}": 10 if self.ill else 2,
            f"container_cpu_usage_seconds_total{{{POD}}}": time.process_time(),
            f"container_memory_working_set_bytes{{{POD}}}": 3e8,
            'probe_ssl_earliest_cert_expiry{instance="https://docker.io/v2/"}': (
                time.time() + (1 if self.ill else 30) * DAY_S
            ),
        }
        return "".join(f"{name} {float(value)}\n" for name, value in series.items())


@pytest.fixture(scope="module")
def exporters():
    return Exporters()


@contextmanager
def served(exporters):
    """Serve the exporters' text; the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(exporters.text().encode())

        def log_message(self, *_):
            """Keep the tests' output for the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def scrape(monitor, address):
    """What the Prometheus operator makes of a ServiceMonitor: it names the port in the label `endpoint`."""
    (endpoint,) = monitor["spec"]["endpoints"]
    pod = {"namespace": monitor["metadata"]["namespace"], "pod": "model-inference-7d9-x2", "container": "service"}
    return {
        "job_name": "service",
        "metrics_path": endpoint["path"],
        "honor_labels": endpoint.get("honorLabels", False),
        "static_configs": [{"targets": [address], "labels": pod | {"endpoint": endpoint["port"]}}],
    }


class Users:
    """Send questions like the model's dev questions, or unreadable ones, too many and too slowly."""

    def __init__(self, client, pool):
        self.client, self.pool, self.turn = client, pool, 0
        self.dev = [{"question": e.question, "context": e.context} for e in data.load(["sample:dev"])]

    def ask_well(self):
        """Ask the next of the dev questions."""
        chosen = [self.dev[(self.turn + place) % len(self.dev)] for place in range(32)]
        self.turn += len(chosen)
        assert self.ask(chosen) == 200

    def ask_badly(self):
        """Begin a request that is never whole, and send several at once, of which the service takes one."""
        self.pool.submit(self.begin)
        list(self.pool.map(self.ask, [[{"question": "Who?", "context": "\ud7a4 " * 500}] * 16] * 3))

    def ask(self, queries):
        """Send a batch of questions; its status."""
        return self.client.post("/answers", json={"queries": queries}).status_code

    def begin(self):
        """Send the head of a request and no body; the service answers with 504 in the end."""
        address = self.client.base_url
        connection = http.client.HTTPConnection(address.host, address.port, timeout=REQUEST_S)
        connection.putrequest("POST", "/answer")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "100")
        connection.endheaders()
        connection.getresponse()
        connection.close()


@pytest.fixture(scope="module")
def service(tiny_store, tmp_path_factory):
    """The service, which takes one request at a time and soon gives up."""
    folder = tmp_path_factory.mktemp("watched")
    limits = {"QNA_TIMEOUT_S": str(TIMEOUT_S), "QNA_MAX_CONCURRENCY": "1"}
    with serve(home_beside(tiny_store, folder), folder, **limits) as running:
        yield running


@pytest.fixture(scope="module")
def server(service, exporters, tmp_path_factory):
    """A Prometheus with the alerts, which scrapes the service and the exporters."""
    monitor, *_ = monitoring.objects(SETTINGS)
    with served(exporters) as address:
        scrapes = [
            scrape(monitor, service.url.removeprefix("http://")),
            {"job_name": "cluster", "honor_labels": True, "static_configs": [{"targets": [address]}]},
        ]
        rules = prometheus_rule(SETTINGS)["spec"]
        with prometheus.running(tmp_path_factory.mktemp("prometheus"), rules, scrapes) as running:
            yield running


@pytest.fixture(scope="module")
def users(service):
    with httpx.Client(base_url=service.url, timeout=REQUEST_S) as client, ThreadPoolExecutor(64) as pool:
        yield Users(client, pool)


@pytest.fixture(scope="module")
def fired(server, users, exporters):
    """Which alerts fire while all is well, which fired while all was ill, and which still do when all is well again."""
    while not server.query("extractive_qa_population_stability_index"):  # 200 questions are needed
        users.ask_well()
    fired = {"well": server.firing(), "ill": set()}
    exporters.ill, deadline = True, time.monotonic() + DEADLINE_S
    while fired["ill"] != EVERY and time.monotonic() < deadline:
        users.ask_badly()
        fired["ill"] |= server.firing()
    exporters.ill, deadline = False, time.monotonic() + DEADLINE_S
    while (still := server.firing()) and time.monotonic() < deadline:
        users.ask_well()
    return fired | {"well again": still}


@pytest.mark.parametrize("name", sorted(EVERY))
def test_an_alert_fires_and_is_resolved(name, fired):
    assert [when for when, names in fired.items() if name in names] == ["ill"]


@pytest.mark.usefixtures("fired")
def test_every_panel_of_the_board_shows_something(server):
    *_, dashboard = monitoring.objects(SETTINGS)
    for panel in json.loads(dashboard.data["extractive-qa.json"])["panels"]:
        assert any(server.query(target["expr"]) for target in panel["targets"]), panel["title"]
