"""A server that speaks as much of the Kubernetes API as `python -m deploy` does, and fails as it is told to.

Objects are stored as a real server stores them (`stored`), and an account has the rights that the Roles on the server
give it (`rights`). There is no controller. What one would do is said as steps: each reading of an object takes the
next, once it is there.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from deploy.kinds import KINDS
from tests.deploy import rights, stored
from tests.deploy.rights import Access
from tests.deploy.state import Api, Object

DROP = 0
"""A status that is none: the connection is closed instead."""
_KINDS = {(kind.api, kind.plural): name for name, kind in KINDS.items()}
_PATH = re.compile(
    r"/(?P<api>api/v1|apis/[^/]+/[^/]+)(/namespaces/(?P<namespace>[^/]+)(?=/))?/(?P<plural>[^/]+)"
    r"(/(?P<name>[^/]+))?(?P<rest>/.*)?"
)


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
            attributes = body["spec"]["resourceAttributes"]
            resource = "/".join(filter(None, (attributes["resource"], attributes.get("subresource"))))
            access = Access(
                attributes["verb"],
                attributes["group"],
                resource,
                attributes.get("namespace", ""),
                attributes.get("name", ""),
            )
            return self._json({"kind": "SelfSubjectAccessReview", "status": {"allowed": self.api.may(access)}}, 201)
        match = _PATH.fullmatch(path)
        kind = match and _KINDS.get((match["api"], match["plural"]))
        if not match or not kind:
            return self._bytes(b"404 page not found\n", "text/plain", 404)
        namespace, name, rest = match["namespace"] or "", match["name"] or "", match["rest"] or ""
        if not self._granted(match, namespace, name, rest):
            return None
        if rest == "/log":
            return self._log(name, query)
        if rest.startswith("/proxy"):
            text = self.api.texts.get(name)
            if text is not None:
                return self._bytes(text.encode(), "text/plain")
            return self._proxy(rest.removeprefix("/proxy"))
        if not name:
            items = self._list(kind, namespace, query.get("labelSelector", ""))
            return self._json({"kind": f"{kind}List", "items": items})
        if self.command == "PATCH":
            return self._patch(kind, namespace, name, query, body)
        manifest = self.api.read(kind, namespace, name)
        if manifest is None:
            return self._status(404, f'{match["plural"]} "{name}" not found')
        if self.command == "DELETE":
            self.api.delete(kind, namespace, name)
        return self._json(manifest)

    def _granted(self, match: re.Match[str], namespace: str, name: str, rest: str) -> bool:
        """Refuse what who asks may not do. To apply what is not there takes the right to create it, too."""
        verbs = {"GET": "get" if name else "list", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
        group = "" if match["api"] == "api/v1" else match["api"].split("/")[1]
        below = rest.split("/")[1] if rest else ""
        resource = "/".join(filter(None, (match["plural"], below)))
        place = "" if match["plural"] == "namespaces" else namespace
        accesses = [Access(verbs[self.command], group, resource, place, name)]
        kind = _KINDS[match["api"], match["plural"]]
        if self.command == "PATCH" and (kind, namespace, name) not in self.api.objects:
            accesses.append(Access("create", group, resource, place))
        for access in accesses:
            if not self.api.may(access):
                self._status(403, rights.refusal(self.api.user or "default:nobody", access))
                return False
        return True

    def _patch(self, kind: str, namespace: str, name: str, query: dict[str, str], body: Any) -> None:
        present = self.api.objects.get((kind, namespace, name))
        enclosing = self.api.objects.get(("Namespace", "", namespace), {})
        if present is None and enclosing.get("status", {}).get("phase") == "Terminating":
            reason = f"unable to create new content in namespace {namespace} because it is being terminated"
            return self._status(403, f'{KINDS[kind].plural} "{name}" is forbidden: {reason}')
        if "apply-patch" not in self.headers["Content-Type"]:
            if present is None:
                return self._status(404, f'{KINDS[kind].plural} "{name}" not found')
            return self._json(self.api.merge(kind, namespace, name, body, query))
        conflicts = [] if present is None else stored.conflicts(present, body, query["fieldManager"])
        if conflicts and query.get("force") != "true":
            return self._status(409, f"Apply failed with {len(conflicts)} conflict: {'; '.join(conflicts)}")
        return self._json(self.api.apply(kind, namespace, name, body, query))

    def _list(self, kind: str, namespace: str, selector: str) -> list[Object]:
        labels = dict(pair.split("=") for pair in selector.split(",") if pair)
        return [
            manifest
            for (other, place, _), manifest in self.api.objects.items()
            if other == kind
            and namespace in ("", place)
            and labels.items() <= manifest["metadata"].get("labels", {}).items()
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
