"""The cluster: its objects as plain dictionaries, by the official dynamic client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import urllib3
from kubernetes import client
from kubernetes.dynamic.client import DynamicClient, Resource

from deploy import kubeconfig
from deploy.errors import DeployError, Refused, Unauthorized
from deploy.kinds import KINDS, describe, described, resources
from deploy.patience import Patience
from deploy.remedies import OVERLOADED, foreign, refused, unreachable

FIELD_MANAGER = "extractive-qa-deploy"
_CONNECT_S, _READ_S = 10, 30
_VERSION = "/version"


@dataclass(frozen=True)
class Line:
    """A line of a container's log. time: as the kubelet stamped it (RFC 3339)."""

    time: str
    text: str


class Cluster:
    """A connection to a cluster. Requests that may be repeated are, when the API server does not answer.

    Every method raises Unreachable or Refused, whose message names the object and a remedy.
    """

    def __init__(
        self, api: client.ApiClient, *, patience_s: float = 0, report: Callable[[str], None] = lambda _: None
    ) -> None:
        self._client = DynamicClient(api, discoverer=resources)  # type: ignore[no-untyped-call]
        self._patience_s, self._report = patience_s, report
        self._answered = False

    @classmethod
    def connect(
        cls, context: str | None = None, *, patience_s: float = 0, report: Callable[[str], None] = lambda _: None
    ) -> Cluster:
        """Connect by KUBECONFIG, ~/.kube/config or the ServiceAccount of the pod.

        patience_s: how long to wait for an API server that has answered before and no longer does. report: called with
        a line when that wait begins and when it ends.
        """
        return cls(client.ApiClient(kubeconfig.load(context)), patience_s=patience_s, report=report)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._client.client.rest_client.close()

    @property
    def host(self) -> str:
        """The API server's address."""
        return str(self._client.configuration.host)

    def version(self) -> dict[str, Any]:
        """Return the version of the API server. Raises WrongServer if the server is none."""
        problem = "the API server's version could not be read"
        try:
            answer: dict[str, Any] = self._request(problem, self._client.request, method="get", path=_VERSION)
        except (Refused, Unauthorized) as error:
            if self._answered or (isinstance(error, Refused) and error.status in OVERLOADED):
                raise
            raise foreign(problem, self.host) from error
        if not isinstance(answer, dict) or "gitVersion" not in answer:
            raise foreign(problem, self.host)
        return answer

    def get(self, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """Return an object, or None if it does not exist."""
        problem, resource = f"{described(kind, name, namespace)} could not be read", self._resource(kind)
        try:
            manifest: dict[str, Any] = self._request(
                problem, resource.get, name=quote(name, safe=""), namespace=namespace, relayed=_relayed(kind)
            )
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return manifest

    def find(
        self, kind: str, namespace: str | None = None, selector: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """Return the objects of a kind with these labels, in one namespace or (None) in all."""
        problem = f"the list of {kind} in {namespace or 'all namespaces'} could not be read"
        labels = ",".join(f"{key}={value}" for key, value in (selector or {}).items()) or None
        answer: dict[str, list[dict[str, Any]]] = self._request(
            problem, self._resource(kind).get, namespace=namespace, label_selector=labels, relayed=_relayed(kind)
        )
        return answer.get("items", [])

    def apply(self, manifest: dict[str, Any], *, dry_run: bool = False, force: bool = False) -> dict[str, Any]:
        """Apply an object server-side and return the stored object.

        force: take over fields that other managers own. Fields that are not in the manifest stay as they are.
        """
        applied: dict[str, Any] = self._request(
            f"{describe(manifest)} could not be applied",
            self._resource(manifest["kind"]).server_side_apply,
            body=manifest,
            namespace=manifest["metadata"].get("namespace"),
            field_manager=FIELD_MANAGER,
            force_conflicts=force,
            dry_run="All" if dry_run else None,
        )
        return applied

    def merge(self, kind: str, name: str, namespace: str, change: dict[str, Any]) -> None:
        """Change some fields of an object by a merge patch."""
        self._request(
            f"{described(kind, name, namespace)} could not be changed",
            self._resource(kind).patch,
            body=change,
            name=name,
            namespace=namespace,
            field_manager=f"{FIELD_MANAGER}-merge",
            content_type="application/merge-patch+json",
        )

    def delete(self, kind: str, name: str, namespace: str | None = None) -> bool:
        """Delete an object after its dependents; return whether it existed."""
        problem = f"{described(kind, name, namespace)} could not be deleted"
        policy = {"propagationPolicy": "Foreground"}
        try:
            self._request(problem, self._resource(kind).delete, name=name, namespace=namespace, body=policy)
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return True

    def review(
        self, namespace: str | None, kind: str, verb: str, subresource: str = "", *, name: str | None = None
    ) -> bool:
        """Return whether these credentials have a permission for all objects of the kind, or for the named one."""
        resource = self._resource(kind)
        attributes = {"verb": verb, "group": resource.group, "resource": resource.name, "subresource": subresource}
        attributes |= {} if name is None else {"name": name}
        attributes |= {} if namespace is None else {"namespace": namespace}
        reviewed = self._request(
            "permissions could not be checked",
            self._resource("SelfSubjectAccessReview").create,
            repeatable=False,
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes},
            },
        )
        return bool(reviewed["status"]["allowed"])

    def call_service(self, service: str, port: str, namespace: str, path: str, body: Any = None) -> Any:
        """Send a request to a Service through the API server and return its JSON; with a body it is a POST."""
        proxy = f"{self._path('Service', f'http:{service}:{port}', namespace)}/proxy{path}"
        problem = f"{described('Service', service, namespace)} did not answer {path}"
        return self._request(
            problem,
            self._client.request,
            method="get" if body is None else "post",
            path=proxy,
            body=body,
            relayed=True,
            repeatable=body is None,
        )

    def metrics(self, pod: str, port: int, namespace: str) -> str:
        """Return the Prometheus metrics of a pod."""
        path = f"{self._path('Pod', f'{pod}:{port}', namespace)}/proxy/metrics"
        problem = f"{described('Pod', pod, namespace)} did not answer /metrics"
        return self._send(problem, self._client.request, method="get", path=path).data.decode()

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

        tail: only this number of last lines. previous: of the container before its last restart. A connection that is
        silent for 30 s counts as dropped.
        """
        query: dict[str, str] = {"container": container, "timestamps": "true"}
        query |= {"follow": "true"} if tail is None else {"tailLines": str(tail)}
        query |= {} if since is None else {"sinceTime": since}
        query |= {"previous": "true"} if previous else {}
        path = f"{self._path('Pod', pod, namespace)}/log"
        problem = f"the log of {described('Pod', pod, namespace)} could not be read"
        response = self._send(problem, self._client.request, method="get", path=path, query_params=list(query.items()))
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

    def _resource(self, kind: str) -> Resource:
        resource: Resource = self._client.resources[kind]
        return resource

    def _path(self, kind: str, name: str, namespace: str) -> str:
        return str(self._resource(kind).path(name, namespace))  # type: ignore[no-untyped-call]

    def _request(
        self, problem: str, call: Callable[..., Any], *, relayed: bool = False, repeatable: bool = True, **options: Any
    ) -> Any:
        """Send a request, again while that may help, and return the JSON of its answer.

        options: arguments of `call`. relayed: a server behind the API server answers, which may be away while the API
        server is well.
        """
        patience = Patience(self.host, self._patience_s if self._answered and not relayed else 0, self._report)
        while True:
            try:
                response = self._send(problem, call, **options)
                content = self._content(problem, response, options.get("path"))
                patience.answered()
                return content
            except (DeployError, urllib3.exceptions.HTTPError) as error:
                failure = error if isinstance(error, DeployError) else unreachable(problem, self.host, error)
                if not repeatable or not patience.wait(failure):
                    raise failure from error

    def _content(self, problem: str, response: urllib3.HTTPResponse, path: str | None) -> Any:
        try:
            content = json.loads(response.data)
        except ValueError as error:
            self._recognise(path)
            raise Refused(f"{problem}: the answer is not JSON", response.status) from error
        self._answered |= isinstance(content, dict) and bool({"kind", "gitVersion"} & content.keys())
        return content

    def _recognise(self, path: str | None) -> None:
        """Make sure that a Kubernetes API server answers. Raises WrongServer."""
        if not self._answered and path != _VERSION:
            self.version()

    def _send(self, problem: str, call: Callable[..., Any], **options: Any) -> urllib3.HTTPResponse:
        """Send a request once and return the response with its body not read yet."""
        try:
            response: urllib3.HTTPResponse = call(**options, serialize=False, _request_timeout=(_CONNECT_S, _READ_S))
        except client.ApiException as error:
            if not error.status:
                raise unreachable(problem, self.host, error) from error
            body = (error.body or "").encode()
            self._answered |= _is_status(body)
            if error.status not in OVERLOADED:
                self._recognise(options.get("path"))
            raise refused(problem, error.status, body) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise unreachable(problem, self.host, error) from error
        return response


def _relayed(kind: str) -> bool:
    """Return whether an extension API server answers for a kind."""
    return KINDS[kind].api.startswith("apis/metrics.k8s.io/")


def _is_status(body: bytes) -> bool:
    """Return whether the body of an error is a Status object of an API server."""
    try:
        return bool(json.loads(body).get("kind") == "Status")
    except (ValueError, AttributeError):
        return False


def _line(raw: bytes) -> Line:
    stamp, _, text = raw.decode("utf-8", errors="replace").partition(" ")
    return Line(stamp, text)
