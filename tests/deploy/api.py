"""A server that speaks as much of the Kubernetes API as `python -m deploy` does, and fails as it is told to.

Objects are kept and merged; there is no controller. What one would do is said as steps: each reading of an object
takes the next, once it is there.
"""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from deploy.kinds import KINDS

Object = dict[str, Any]
Step = Callable[[Object], None]
DROP = 0
"""A status that is none: the connection is closed instead."""
_KINDS = {(kind.api, kind.plural): name for name, kind in KINDS.items()}
_PATH = re.compile(
    r"/(?P<api>api/v1|apis/[^/]+/[^/]+)(/namespaces/(?P<namespace>[^/]+)(?=/))?/(?P<plural>[^/]+)"
    r"(/(?P<name>[^/]+))?(?P<rest>/.*)?"
)


@dataclass
class Failure:
    """What the next requests of a kind get."""

    method: str
    path: str
    status: int
    message: str
    times: int


@dataclass
class Api:
    """The server's state. url: where it listens. objects: by kind, namespace ("" for none) and name.

    answers and texts: of what is asked through the server, by path, and by pod and port. previous: logs of containers
    before their last restart.
    """

    url: str
    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    steps: dict[tuple[str, str], list[Step | None]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)
    logs: dict[tuple[str, str], list[bytes]] = field(default_factory=dict)
    previous: dict[tuple[str, str], bytes] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    version: dict[str, str] = field(default_factory=lambda: {"major": "1", "minor": "36", "gitVersion": "v1.36.0"})

    def put(self, kind: str, name: str, namespace: str = "", **content: Any) -> Object:
        """Add or replace an object."""
        about = {"name": name, "labels": {}, "annotations": {}, "generation": 1} | content.pop("metadata", {})
        if namespace:
            about["namespace"] = namespace
        made = {"kind": kind, "metadata": about, **content}
        self.objects[kind, namespace, name] = made
        return made

    def the(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """Return the object of that name, wherever it is or in a namespace."""
        (found,) = (
            made for (k, ns, n), made in self.objects.items() if (k, n) == (kind, name) and namespace in (None, ns)
        )
        return found

    def script(self, kind: str, name: str, *steps: Step | None) -> None:
        """Change an object before it is read: a step a reading. None: it is gone by then."""
        self.steps[kind, name] = list(steps)

    def fail(self, method: str, path: str, status: int, message: str = "", times: int = 1000) -> None:
        """Answer requests whose path has this in it with an error."""
        self.failures.append(Failure(method, path, status, message, times))

    def failure(self, method: str, path: str) -> Failure | None:
        """Take what a request is to get."""
        for failure in self.failures:
            if failure.times and failure.method == method and failure.path in path:
                failure.times -= 1
                return failure
        return None

    def read(self, kind: str, namespace: str, name: str) -> Object | None:
        """Take an object's next step and return it."""
        steps = self.steps.get((kind, name))
        if steps and (kind, namespace, name) in self.objects:
            step = steps.pop(0)
            if step is None:
                self.objects.pop((kind, namespace, name), None)
            else:
                step(self.objects[kind, namespace, name])
        return self.objects.get((kind, namespace, name))

    def apply(self, kind: str, namespace: str, name: str, body: Object, *, dry: bool) -> Object:
        """Merge what is applied into what is there."""
        before = self.objects.get((kind, namespace, name))
        after = _merged(before or {"metadata": {"generation": 0}}, body)
        if before is None or after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] += 1
        if not dry:
            self.objects[kind, namespace, name] = after
        return after


def _merged(before: Any, body: Any) -> Any:
    if isinstance(before, dict) and isinstance(body, dict):
        return copy.deepcopy(before) | {name: _merged(before.get(name), value) for name, value in body.items()}
    return copy.deepcopy(body)


class _Handler(BaseHTTPRequestHandler):
    api: Api
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: in two, each answer would wait 40 ms for an acknowledgement

    def log_message(self, *_: Any) -> None:
        """Keep the tests' output for the tests."""

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _handle(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        split = urlsplit(self.path)
        path, query = unquote(split.path), {name: values[0] for name, values in parse_qs(split.query).items()}
        self.api.requests.append((self.command, path))
        failure = self.api.failure(self.command, path)
        if failure is not None and failure.status == DROP:
            self.close_connection = True
            self.connection.close()
        elif failure is not None:
            self._status(failure.status, failure.message)
        else:
            self._answer(path, query, body)

    def _answer(self, path: str, query: dict[str, str], body: Any) -> None:
        if path == "/version":
            return self._json(self.api.version)
        if path.endswith("/selfsubjectaccessreviews"):
            asked = body["spec"]["resourceAttributes"]
            return self._json({"status": {"allowed": asked["resource"] not in self.api.forbidden}})
        match = _PATH.fullmatch(path)
        kind = match and _KINDS.get((match["api"], match["plural"]))
        if not match or not kind:
            return self._status(404, "the server could not find the requested resource")
        namespace, name, rest = match["namespace"] or "", match["name"], match["rest"]
        if rest == "/log":
            return self._log(name, query)
        if rest is not None and rest.startswith("/proxy"):
            text = self.api.texts.get(name or "")
            if text is not None:
                return self._bytes(text.encode(), "text/plain")
            return self._proxy(rest.removeprefix("/proxy"))
        if name is None:
            return self._json({"items": self._list(kind, namespace, query.get("labelSelector", ""))})
        if self.command == "PATCH":
            return self._json(self.api.apply(kind, namespace, name, body, dry="dryRun" in query))
        found = self.api.read(kind, namespace, name)
        if found is None:
            return self._status(404, f'{match["plural"]} "{name}" not found')
        if self.command == "DELETE":
            del self.api.objects[kind, namespace, name]
        return self._json(found)

    def _list(self, kind: str, namespace: str, selector: str) -> list[Object]:
        wanted = dict(pair.split("=") for pair in selector.split(",") if pair)
        return [
            made
            for (other, place, _), made in self.api.objects.items()
            if other == kind
            and namespace in ("", place)
            and wanted.items() <= made["metadata"].get("labels", {}).items()
        ]

    def _log(self, pod: str, query: dict[str, str]) -> None:
        """Send the next chunk of a log and end it, as a connection that drops or a container that ends does."""
        if "previous" in query:
            return self._bytes(self.api.previous[pod, query["container"]], "text/plain")
        chunks = self.api.logs.get((pod, query["container"]), [])
        if "tailLines" in query:
            return self._bytes(b"".join(chunks), "text/plain")
        return self._bytes(chunks.pop(0) if len(chunks) > 1 else b"".join(chunks), "text/plain")

    def _proxy(self, path: str) -> None:
        answer = self.api.answers.get(path)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is None:
            return self._status(503, "no endpoints available for service")
        return self._json(answer)

    def _status(self, code: int, message: str) -> None:
        self._json({"kind": "Status", "message": message}, code)

    def _json(self, content: Any, code: int = 200) -> None:
        self._bytes(json.dumps(content).encode(), "application/json", code)

    def _bytes(self, content: bytes, media_type: str, code: int = 200) -> None:
        self.send_response(code)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that went away is no news."""


@contextmanager
def running() -> Iterator[Api]:
    """Serve an empty cluster on a free port."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        api = Api(f"http://127.0.0.1:{server.server_address[1]}")
        server.RequestHandlerClass = type("Handler", (_Handler,), {"api": api})
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()


def kubeconfig(url: str, path: Path) -> Path:
    """Write a configuration that names this server, and return its path."""
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "test", "cluster": {"server": url}}],
                "users": [{"name": "test", "user": {"token": "secret-token"}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "current-context": "test",
            }
        )
    )
    return path
