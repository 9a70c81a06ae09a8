"""A server that speaks as much of a registry's protocol as is used."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIGEST = "sha256:" + "3" * 64
"""Of whatever it has."""
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"})


@dataclass
class Images:
    """The server's state. tags: manifests by tag, of whatever image; status: what all requests get."""

    address: str
    manifest: str = MANIFEST
    tags: dict[str, str] = field(default_factory=dict)
    status: int | None = None


@contextmanager
def running() -> Iterator[Images]:
    """Run a registry without images."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Keep the tests' output for the tests."""

        def reply(self, code: int, body: bytes = b"") -> None:
            self.send_response(code)
            self.send_header("Docker-Content-Digest", DIGEST)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def serve(self) -> None:
            tag = self.path.rpartition("/")[2]
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if images.status is not None:
                self.reply(images.status)
            elif self.command == "PUT":
                images.tags[tag] = sent.decode()
                self.reply(201)
            elif tag in images.tags:
                self.reply(200, images.tags[tag].encode())
            else:
                self.reply(404)

        do_GET = do_HEAD = do_PUT = serve  # noqa: N815  # http.server's names

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        images = Images(f"127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield images
        server.shutdown()
        thread.join()
