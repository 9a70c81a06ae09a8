"""The cluster: its objects as plain dictionaries, over the official client's connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import urllib3
from kubernetes import client

from deploy import kubeconfig
from deploy.errors import DeployError, Refused, Unauthorized
from deploy.kinds import KINDS, describe, described, path_of
from deploy.patience import Patience
from deploy.remedies import OVERLOADED, foreign, refused, unreachable

FIELD_MANAGER = "extractive-qa-deploy"
_CONNECT_S, _READ_S = 10, 30
_VERSION = "/version"
_REPEATABLE = {"GET", "PATCH", "DELETE"}
"""Methods that may be sent again without harm."""


@dataclass(frozen=True)
class Line:
    """A line of a container's log. time: as the kubelet stamped it (RFC 3339)."""

    time: str
    text: str


class Cluster:
    """A connection. What can be sent twice is, when the connection drops or the API server is overloaded.

    Every method raises Unreachable or Refused, whose message names the object and what to do.
    """

    def __init__(
        self, api: client.ApiClient, *, patience_s: float = 0, report: Callable[[str], None] = lambda _: None
    ) -> None:
        self._api, self._patience_s, self._report = api, patience_s, report
        self._answered = False

    @classmethod
    def connect(
        cls, context: str | None = None, *, patience_s: float = 0, report: Callable[[str], None] = lambda _: None
    ) -> Cluster:
        """Connect as KUBECONFIG (or ~/.kube/config) says, or with the token of the pod that this runs in.

        patience_s: how long to wait for an API server that has answered before and no longer does. report: gets a line
        when that wait begins, and when it ends.
        """
        return cls(client.ApiClient(kubeconfig.load(context)), patience_s=patience_s, report=report)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._api.rest_client.close()

    @property
    def host(self) -> str:
        """The API server's address."""
        return str(self._api.configuration.host)

    def version(self) -> dict[str, Any]:
        """Return what the API server says of its version."""
        what = "the API server's version could not be read"
        try:
            answer: dict[str, Any] = self._request("GET", _VERSION, what)
        except (Refused, Unauthorized) as error:
            if self._answered or (isinstance(error, Refused) and error.status in OVERLOADED):
                raise
            raise foreign(what, self.host) from error
        if not isinstance(answer, dict) or "gitVersion" not in answer:
            raise foreign(what, self.host)
        return answer

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """Return an object, or None when there is none."""
        what = described(kind, name, namespace)
        try:
            answer: dict[str, Any] = self._request("GET", path_of(kind, namespace, name), f"{what} could not be read")
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return answer

    def find(
        self, kind: str, namespace: str | None = None, selector: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """Return the objects of a kind with these labels, in one namespace or (None) in all."""
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in selector.items())} if selector else {}
        what = f"the list of {kind} in {namespace or 'all namespaces'} could not be read"
        answer: list[dict[str, Any]] = self._request("GET", path_of(kind, namespace), what, query).get("items", [])
        return answer

    def apply(self, manifest: dict[str, Any], *, dry_run: bool = False, force: bool = False) -> dict[str, Any]:
        """Apply an object on the server's side and return it as it is then.

        force: take fields over that something else has set. Whatever is not in `made` stays as others set it.
        """
        query = {"fieldManager": FIELD_MANAGER, "force": str(force).lower()} | ({"dryRun": "All"} if dry_run else {})
        about = manifest["metadata"]
        path = path_of(manifest["kind"], about.get("namespace"), about["name"])
        applied: dict[str, Any] = self._request(
            "PATCH",
            path,
            f"{describe(manifest)} could not be applied",
            query,
            manifest,
            content_type="application/apply-patch+yaml",
        )
        return applied

    def merge(self, kind: str, name: str, namespace: str, change: dict[str, Any]) -> None:
        """Change these fields and leave everything else alone."""
        self._request(
            "PATCH",
            path_of(kind, namespace, name),
            f"{described(kind, name, namespace)} could not be changed",
            {"fieldManager": f"{FIELD_MANAGER}-merge"},
            change,
            content_type="application/merge-patch+json",
        )

    def delete(self, kind: str, name: str, namespace: str | None = None) -> bool:
        """Delete an object, and all that it owns first; return whether there was one."""
        try:
            self._request(
                "DELETE",
                path_of(kind, namespace, name),
                f"{described(kind, name, namespace)} could not be deleted",
                body={"propagationPolicy": "Foreground"},
            )
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return True

    def review(
        self, namespace: str | None, kind: str, verb: str, subresource: str = "", *, name: str | None = None
    ) -> bool:
        """Return whether these credentials may do this, with every object of the kind or the one of this name."""
        api, plural, _ = KINDS[kind]
        group = "" if api == "api/v1" else api.split("/")[1]
        attributes = {"verb": verb, "group": group, "resource": plural, "subresource": subresource}
        attributes |= {} if name is None else {"name": name}
        reviewed = self._request(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            "permissions could not be asked for",
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes | ({} if namespace is None else {"namespace": namespace})},
            },
        )
        return bool(reviewed["status"]["allowed"])

    def call_service(self, service: str, port: str, namespace: str, path: str, body: Any = None) -> Any:
        """Send a request to a Service through the API server, POST when there is a body, and return its JSON."""
        proxied = f"{path_of('Service', namespace, f'http:{service}:{port}')}/proxy{path}"
        what = f"{described('Service', service, namespace)} did not answer {path}"
        return self._request("GET" if body is None else "POST", proxied, what, body=body)

    def metrics(self, pod: str, port: int, namespace: str) -> str:
        """Return a pod's own metrics, as Prometheus reads them."""
        path = f"{path_of('Pod', namespace, f'{pod}:{port}')}/proxy/metrics"
        what = f"{described('Pod', pod, namespace)} did not answer /metrics"
        return self._send("GET", path, what).data.decode()

    def log(
        self,
        pod: str,
        container: str,
        namespace: str,
        since: str | None = None,
        tail: int | None = None,
        *,
        previous: bool = False,
    ) -> Iterator[Line]:
        """Yield the lines of a container's log after a time, until the container ends or the connection drops.

        tail: only the last lines there are now. previous: of the container before its last restart. A connection that
        is silent for 30 s counts as dropped.
        """
        query: dict[str, str] = {"container": container, "timestamps": "true"}
        query |= {"follow": "true"} if tail is None else {"tailLines": str(tail)}
        query |= {} if since is None else {"sinceTime": since}
        query |= {"previous": "true"} if previous else {}
        path = f"{path_of('Pod', namespace, pod)}/log"
        response = self._send("GET", path, f"the log of {described('Pod', pod, namespace)} could not be read", query)
        rest = b""
        try:
            for chunk in response.stream(2**16):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from map(_line, lines)
        except (urllib3.exceptions.HTTPError, OSError):
            return
        finally:
            response.close()
        if rest:
            yield _line(rest)

    def _request(
        self,
        method: str,
        path: str,
        what: str,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Any:
        """Send a request, again when that may help, and return the JSON of its answer."""
        patient = self._answered and not _relayed(path)
        patience = Patience(self.host, self._patience_s if patient else 0, self._report)
        while True:
            try:
                response = self._send(method, path, what, query, body, content_type)
                content = self._content(what, path, response)
                patience.answered()
                return content
            except (DeployError, urllib3.exceptions.HTTPError) as error:
                failure = error if isinstance(error, DeployError) else unreachable(what, self.host, error)
                if method not in _REPEATABLE or not patience.wait(failure):
                    raise failure from error

    def _content(self, what: str, path: str, response: urllib3.HTTPResponse) -> Any:
        try:
            content = json.loads(response.data)
        except ValueError as error:
            self._recognise(path)
            raise Refused(f"{what}: the answer is not JSON", response.status) from error
        self._answered |= isinstance(content, dict) and bool({"kind", "gitVersion"} & content.keys())
        return content

    def _recognise(self, path: str) -> None:
        """Make sure that it is a Kubernetes API server that answers. Raises WrongServer."""
        if not self._answered and path != _VERSION:
            self.version()

    def _send(
        self,
        method: str,
        path: str,
        what: str,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> urllib3.HTTPResponse:
        """Send a request once and return the answer, its body not read yet."""
        headers = {"Accept": "application/json", "Content-Type": content_type}
        method, url, headers, body, _ = self._api.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._api.call_api(method, url, headers, body, _request_timeout=(_CONNECT_S, _READ_S))
        except (urllib3.exceptions.HTTPError, OSError, client.ApiException) as error:
            raise unreachable(what, self.host, error) from error
        response: urllib3.HTTPResponse = answer.response
        if response.status >= 400:
            self._answered |= _is_status(response.data)
            if response.status not in OVERLOADED:
                self._recognise(path)
            raise refused(what, response.status, response.data)
        return response


def _relayed(path: str) -> bool:
    """Return whether something behind the API server answers, which may be missing while the API server is well."""
    return "/proxy/" in path or path.startswith("/apis/metrics.k8s.io/")


def _is_status(body: bytes) -> bool:
    """Return whether an error is told as an API server tells its own."""
    try:
        return bool(json.loads(body).get("kind") == "Status")
    except (ValueError, AttributeError):
        return False


def _line(raw: bytes) -> Line:
    stamp, _, text = raw.decode("utf-8", errors="replace").partition(" ")
    return Line(stamp, text)
