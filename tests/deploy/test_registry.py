"""Against a server that speaks as much of the registry's protocol as is used."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy import registry
from deploy.errors import Refused, Unauthorized, Unreachable
from deploy.settings import Settings

DIGEST = "sha256:" + "3" * 64
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"})


class _Registry(BaseHTTPRequestHandler):
    tags: dict[str, str]
    status: int | None

    def log_message(self, *_):
        """Keep the tests' output for the tests."""

    def _reply(self, code, body=b""):
        self.send_response(code)
        self.send_header("Docker-Content-Digest", DIGEST)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _serve(self):
        tag = self.path.rpartition("/")[2]
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.status is not None:
            self._reply(self.status)
        elif self.command == "PUT":
            self.tags[tag] = sent.decode()
            self._reply(201)
        elif tag in self.tags:
            self._reply(200, self.tags[tag].encode())
        else:
            self._reply(404)

    do_GET = do_HEAD = do_PUT = _serve  # noqa: N815  # http.server's names


@pytest.fixture
def images():
    """A registry with one image, and settings that name it."""
    handler = type("Handler", (_Registry,), {"tags": {"one": MANIFEST}, "status": None})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        address = f"127.0.0.1:{server.server_address[1]}"
        yield handler, Settings(registry=address, registry_insecure=True, serving_image="ada/reader")
        server.shutdown()
        thread.join()


def test_a_tag_has_a_digest(images):
    _, settings = images
    assert registry.digest(settings, "one") == DIGEST


def test_latest_becomes_the_very_same_manifest(images):
    handler, settings = images
    registry.move_latest(settings, "one")
    assert handler.tags["latest"] == MANIFEST


def test_an_image_that_is_not_there_is_said(images):
    _, settings = images
    with pytest.raises(Refused, match=r"ada/reader:two is not in the registry; run `python -m deploy build`"):
        registry.digest(settings, "two")


@pytest.mark.parametrize(("status", "said"), [(401, "not sent over plain HTTP"), (403, "docker login")])
def test_refused_credentials_are_said(images, status, said):
    handler, settings = images
    handler.status = status
    with pytest.raises(Unauthorized, match=said):
        registry.digest(settings, "one")


def test_a_registry_in_trouble_is_said(images):
    handler, settings = images
    handler.status = 500
    with pytest.raises(Refused, match="answers 500"):
        registry.move_latest(settings, "one")


def test_a_registry_that_is_not_there_is_said():
    settings = Settings(registry="127.0.0.1:9", registry_insecure=True)
    with pytest.raises(Unreachable, match="registry and registry_insecure"):
        registry.digest(settings, "one")


def test_credentials_are_those_of_docker_login(tmp_path, monkeypatch):
    noted = {"auths": {registry.HUB_KEY: {"auth": base64.b64encode(b"ada:pass:word").decode()}}}
    (tmp_path / "config.json").write_text(json.dumps(noted))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert registry._noted("docker.io") == ("ada", "pass:word")
    assert registry._noted("registry.example") == (None, None)
