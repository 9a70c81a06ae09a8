"""What the test server knows: objects, who asks, and what is to fail or to happen next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.deploy import rights, stored
from tests.deploy.rights import Access

Object = dict[str, Any]
Step = Callable[[Object], None]


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

    user: NAMESPACE:NAME of the ServiceAccount that asks; None: an administrator. linger: the reading of an object,
    after it was deleted, at which it is gone. answers and texts: of what is asked through the server, by path, and by
    pod and port.
    """

    url: str
    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    steps: dict[tuple[str, str], list[Step | None]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)
    user: str | None = None
    linger: int = 1
    ending: dict[tuple[str, str, str], int] = field(default_factory=dict)
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
        manifest = {"kind": kind, "metadata": about, **content}
        self.objects[kind, namespace, name] = manifest
        return manifest

    def the(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """Return the object of that name, wherever it is or in a namespace."""
        (manifest,) = (
            manifest
            for (k, ns, n), manifest in self.objects.items()
            if (k, n) == (kind, name) and namespace in (None, ns)
        )
        return manifest

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
        key = (kind, namespace, name)
        if key in self.ending:
            self.ending[key] -= 1
            if self.ending[key] <= 0:
                self._end(key)
        steps = self.steps.get((kind, name))
        if steps and key in self.objects:
            step = steps.pop(0)
            if step is None:
                self.objects.pop(key, None)
            else:
                step(self.objects[key])
        return self.objects.get(key)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Begin to delete an object: it is gone once it has been read some more times."""
        key = (kind, namespace, name)
        self.objects[key]["metadata"].setdefault("deletionTimestamp", "2026-01-01T00:00:00Z")
        self.ending.setdefault(key, self.linger)
        if kind == "Namespace":
            self.objects[key]["status"] = {"phase": "Terminating"}

    def _end(self, key: tuple[str, str, str]) -> None:
        del self.ending[key]
        self.objects.pop(key, None)
        if key[0] == "Namespace":
            self.objects = {other: manifest for other, manifest in self.objects.items() if other[1] != key[2]}

    def apply(self, kind: str, namespace: str, name: str, body: Object, query: dict[str, str]) -> Object:
        """Apply on the server's side."""
        after = stored.applied(kind, self.objects.get((kind, namespace, name)), body, query["fieldManager"])
        return self._put(kind, namespace, name, after, dry="dryRun" in query)

    def merge(self, kind: str, namespace: str, name: str, body: Object, query: dict[str, str]) -> Object:
        """Merge these fields into an object that is there."""
        after = stored.changed(kind, self.objects[kind, namespace, name], body, query["fieldManager"])
        return self._put(kind, namespace, name, after, dry="dryRun" in query)

    def _put(self, kind: str, namespace: str, name: str, after: Object, *, dry: bool) -> Object:
        before = self.objects.get((kind, namespace, name))
        if before is None or after.get("spec") != before.get("spec"):
            after["metadata"]["generation"] = after["metadata"].get("generation", 0) + 1
        if not dry:
            self.objects[kind, namespace, name] = after
        return after

    def may(self, access: Access) -> bool:
        """Return whether who asks has this right."""
        if access.resource in self.forbidden:
            return False
        return self.user is None or rights.allowed(self.objects, self.user, access)
