"""NetworkPolicies: all traffic is denied except for the listed rules."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from deploy.objects.common import BUILD, LOAD, SERVING, TRAINING, metadata, selector
from deploy.settings import Settings

_HTTPS = 443
_DNS = 53
"""The DNS port of servers outside of pods; DNS pods may listen on another."""


def objects(settings: Settings) -> list[Any]:
    """Return the NetworkPolicies of both namespaces.

    A serving pod accepts requests and sends none. The node pulls images, outside of these rules. Training may connect
    to the package index and the hub, builds also to the registry and the git server.
    """
    training, serving = settings.training_namespace, settings.serving_namespace
    web = {*settings.build_ports, *_registry_port(settings.registry)}
    peers = [
        _policy("allow-training-peers", training, selector(TRAINING), ingress=[_from(TRAINING)], egress=[_to(TRAINING)])
    ]
    return [
        *(_policy("default-deny", namespace, client.V1LabelSelector()) for namespace in (training, serving)),
        _policy("allow-questions", serving, selector(SERVING), ingress=[_from_anywhere(settings.port)]),
        _policy("allow-load-out", serving, selector(LOAD), egress=[_to(SERVING, settings.port)]),
        _policy("allow-training-out", training, selector(TRAINING), egress=[*_dns(settings), _to_anywhere({_HTTPS})]),
        _policy("allow-build-out", training, selector(BUILD), egress=[*_dns(settings), _to_anywhere(web)]),
        *(peers if settings.train_nodes > 1 else []),
    ]


def _registry_port(registry: str) -> list[int]:
    _, _, port = registry.partition(":")
    return [int(port)] if port else []


def _policy(
    name: str,
    namespace: str,
    pods: client.V1LabelSelector,
    *,
    ingress: list[Any] | None = None,
    egress: list[Any] | None = None,
) -> client.V1NetworkPolicy:
    """Return a policy for both directions. A direction without a rule is denied unless another policy allows it."""
    return client.V1NetworkPolicy(
        api_version="networking.k8s.io/v1",
        kind="NetworkPolicy",
        metadata=metadata(name, namespace),
        spec=client.V1NetworkPolicySpec(
            pod_selector=pods, policy_types=["Ingress", "Egress"], ingress=ingress, egress=egress
        ),
    )


def _from_anywhere(port: int) -> client.V1NetworkPolicyIngressRule:
    return client.V1NetworkPolicyIngressRule(ports=[_port(port)])


def _to_anywhere(ports: set[int]) -> client.V1NetworkPolicyEgressRule:
    return client.V1NetworkPolicyEgressRule(ports=[_port(port) for port in sorted(ports)])


def _from(component: str) -> client.V1NetworkPolicyIngressRule:
    """Allow all ports, since torchrun's processes choose theirs."""
    return client.V1NetworkPolicyIngressRule(var_from=[client.V1NetworkPolicyPeer(pod_selector=selector(component))])


def _to(component: str, port: int | None = None) -> client.V1NetworkPolicyEgressRule:
    peer = client.V1NetworkPolicyPeer(pod_selector=selector(component))
    return client.V1NetworkPolicyEgressRule(to=[peer], ports=None if port is None else [_port(port)])


def _dns(settings: Settings) -> list[client.V1NetworkPolicyEgressRule]:
    """Allow the cluster's DNS pods and the address blocks of other DNS servers, such as NodeLocal DNS."""
    system = client.V1LabelSelector(match_labels={"kubernetes.io/metadata.name": settings.dns_namespace})
    pods = client.V1NetworkPolicyPeer(namespace_selector=system)
    blocks = [client.V1NetworkPolicyPeer(ip_block=client.V1IPBlock(cidr=block)) for block in settings.dns_addresses]
    rules = [client.V1NetworkPolicyEgressRule(to=[pods], ports=_both(settings.dns_port))]
    return rules + ([client.V1NetworkPolicyEgressRule(to=blocks, ports=_both(_DNS))] if blocks else [])


def _both(port: int) -> list[client.V1NetworkPolicyPort]:
    return [_port(port, "UDP"), _port(port)]


def _port(port: int, protocol: str = "TCP") -> client.V1NetworkPolicyPort:
    return client.V1NetworkPolicyPort(port=port, protocol=protocol)
