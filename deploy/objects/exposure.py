"""Access from outside of the cluster: an Ingress, or an HTTPRoute of a Gateway."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from deploy.objects.common import SERVING, metadata
from deploy.objects.serving import PORT_NAME, SERVICE
from deploy.settings import Settings

NAME = "qna-ingress"


def objects(settings: Settings) -> list[Any]:
    """Return the Ingress or the HTTPRoute, which do not rewrite paths."""
    return [_ingress(settings) if settings.gateway is None else _route(settings, settings.gateway)]


def _ingress(settings: Settings) -> client.V1Ingress:
    backend = client.V1IngressBackend(
        service=client.V1IngressServiceBackend(name=SERVICE, port=client.V1ServiceBackendPort(name=PORT_NAME))
    )
    tls = client.V1IngressTLS(hosts=[settings.host], secret_name=settings.tls_secret)
    path = client.V1HTTPIngressPath(path="/", path_type="Prefix", backend=backend)
    return client.V1Ingress(
        api_version="networking.k8s.io/v1",
        kind="Ingress",
        metadata=metadata(NAME, settings.serving_namespace, SERVING),
        spec=client.V1IngressSpec(
            ingress_class_name=settings.ingress_class,
            tls=None if settings.tls_secret is None else [tls],
            rules=[client.V1IngressRule(host=settings.host, http=client.V1HTTPIngressRuleValue(paths=[path]))],
        ),
    )


def _route(settings: Settings, gateway: str) -> dict[str, Any]:
    namespace, _, name = gateway.rpartition("/")
    parent = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(NAME, settings.serving_namespace, SERVING).to_dict(),
        "spec": {
            "parentRefs": [parent],
            "hostnames": [settings.host],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": [{"name": SERVICE, "port": settings.port}],
                }
            ],
        },
    }
