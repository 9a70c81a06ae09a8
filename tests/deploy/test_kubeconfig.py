"""What is wrong with a kubeconfig, or with what it leads to, is said as such."""

import http.server
import json
import shutil
import ssl
import subprocess
import threading
from contextlib import contextmanager

import pytest

from deploy import patience
from deploy.__main__ import main
from deploy.cluster import Cluster
from deploy.errors import Unreachable, WrongServer
from tests.deploy.api import kubeconfig


@pytest.fixture(autouse=True)
def _nowhere_else(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(patience, "PAUSE_S", 0.001)


def connect(monkeypatch, named):
    monkeypatch.setenv("KUBECONFIG", str(named))
    return Cluster.connect()


def changed(path, part, **content):
    """Write a kubeconfig whose cluster or user says this."""
    document = json.loads(kubeconfig("https://127.0.0.1:9", path).read_text())
    document[f"{part}s"][0][part] |= content
    path.write_text(json.dumps(document))
    return path


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    with pytest.raises(Unreachable, match=r"KUBECONFIG names .*/none, which is not there; set KUBECONFIG"):
        connect(monkeypatch, tmp_path / "none")


def test_of_several_files_some_may_be_missing(tmp_path, monkeypatch):
    present = kubeconfig("http://127.0.0.1:9", tmp_path / "config")
    assert connect(monkeypatch, f"{tmp_path / 'none'}:{present}").host == "http://127.0.0.1:9"


def test_without_any_file_that_is_reported(monkeypatch):
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(Unreachable, match=r"KUBECONFIG is not set, and there is no ~/.kube/config; set KUBECONFIG"):
        Cluster.connect()


def test_the_account_of_a_pod_is_looked_for_in_a_pod_only(monkeypatch):
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "9")
    with pytest.raises(Unreachable, match=r"this pod has no account to reach the cluster with: .*; let it mount"):
        Cluster.connect()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "config is empty; set KUBECONFIG"),
        ("# nothing\n", "config is empty; set KUBECONFIG"),
        ("users:\n- {token: hush\n", r"config is not valid YAML \(line 3\); correct it"),
        ("[1, 2]", "config is no kubeconfig: it names no clusters"),
        ("apiVersion: v1\nkind: Pod\n", "config is no kubeconfig: it names no clusters"),
        ("clusters: [1]\ncontexts: [1]\ncurrent-context: a\n", r"config is no kubeconfig \(TypeError\)"),
        (
            "clusters: [{name: a, cluster: {server: 'http://a'}}]\n",
            "names no cluster that can be used: .*current-context",
        ),
    ],
)
def test_a_broken_file_is_named_and_never_shown(tmp_path, monkeypatch, content, expected):
    path = tmp_path / "config"
    path.write_text(content)
    with pytest.raises(Unreachable, match=expected) as caught:
        connect(monkeypatch, path)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("part", "name"), [("cluster", "certificate-authority"), ("user", "client-certificate"), ("user", "client-key")]
)
def test_a_missing_certificate_is_named(tmp_path, monkeypatch, part, name):
    both = {"client-certificate": "/here/gone.pem", "client-key": "/here/gone.pem"} if part == "user" else {}
    path = changed(tmp_path / "config", part, **both | {name: "/here/gone.pem"})
    with pytest.raises(Unreachable, match=r"names no cluster that can be used: .*/here/gone\.pem.*; correct it"):
        connect(monkeypatch, path)


@pytest.mark.parametrize("command", ["status", "preflight"])
def test_the_command_says_it_in_a_line(tmp_path, monkeypatch, capsys, command):
    (tmp_path / "config").write_text("{")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    assert main([command]) == 3
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'config'} is not valid YAML")


class _Site(http.server.BaseHTTPRequestHandler):
    """A web server that knows nothing of Kubernetes."""

    status = 404

    def log_message(self, *_):
        pass

    def do_GET(self):
        body = b"<html>welcome</html>"
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PATCH = do_POST = do_GET  # noqa: N815


@contextmanager
def serving(handler, certificate=None):
    class Quiet(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            """A client that trusts no certificate goes away."""

    with Quiet(("127.0.0.1", 0), handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [200, 401, 403, 404])
@pytest.mark.parametrize("command", ["status", "preflight", "apply"])
def test_a_server_that_is_no_kubernetes_api_is_recognised(tmp_path, monkeypatch, capsys, status, command):
    with serving(type("Site", (_Site,), {"status": status})) as port:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(f"http://127.0.0.1:{port}", tmp_path / "config")))
        assert main([command, "--digest", "sha256:" + "1" * 64]) == 3
    reported = capsys.readouterr().err
    assert f"what answers at http://127.0.0.1:{port} is no Kubernetes API server; check server" in reported


@pytest.fixture
def certificate(tmp_path):
    """A certificate of 127.0.0.1 that it has signed itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    files = (tmp_path / "cert.pem", tmp_path / "key.pem")
    words = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", *words, "-out", files[0], "-keyout", files[1]]
    subprocess.run(command, check=True, capture_output=True)
    return files


def test_a_certificate_of_another_authority_is_not_a_cluster_that_is_down(tmp_path, monkeypatch, certificate):
    with serving(_Site, certificate) as port:
        url = f"https://127.0.0.1:{port}"
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(url, tmp_path / "config")))
        with pytest.raises(WrongServer, match=r"is not trusted \(.*\); check certificate-authority"):
            Cluster.connect().version()


def test_a_server_without_tls_is_not_a_cluster_that_is_down(tmp_path, monkeypatch):
    with serving(_Site) as port:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(f"https://127.0.0.1:{port}", tmp_path / "config")))
        with pytest.raises(WrongServer, match=r"does not speak TLS as expected .*check server"):
            Cluster.connect().version()
