"""What a deployment is made of: one validated object, from a YAML file, the environment and flags."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from deploy.errors import SettingsError

ESTABLISHED = {"serving_image": "DOCKER_IMAGE_NAME", "git_url": "GITHUB_REPO_URL"}
"""Variables that pipelines set already; every setting also has QNA_DEPLOY_ and its name."""


def _quantity(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d*(\.\d+)?(m|[KMGT]i?)?", text):
        raise ValueError("write an amount as Kubernetes does, such as 250m, 2, 512Mi or 1Gi")
    return text


def _label(text: str) -> str:
    if not re.fullmatch(r"[\w./-]+=[\w.-]*", text):
        raise ValueError(f"write a node's label as KEY=VALUE, such as kubernetes.io/arch=amd64, not {text}")
    return text


def _toleration(text: str) -> str:
    if not re.fullmatch(r"[\w./-]+(=[\w.-]*)?(:(NoSchedule|PreferNoSchedule|NoExecute))?", text):
        raise ValueError(
            f"write a toleration as KEY[=VALUE][:EFFECT], such as gpu=true:NoSchedule or spot, not {text}; "
            "effects are NoSchedule, PreferNoSchedule and NoExecute"
        )
    return text


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"write addresses as a block, such as 169.254.20.10/32, not {text}") from None


def _words(value: Any) -> Any:
    return shlex.split(value) if isinstance(value, str) else value


Quantity = Annotated[str, AfterValidator(_quantity)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
"""What Kubernetes takes as a name (RFC 1123 label)."""
Image = Annotated[str, Field(pattern=r"^[a-z0-9]+([._/-][a-z0-9]+)*$")]
"""A repository's path, without registry, tag and digest."""

Tag = Annotated[str, Field(pattern=r"^[\w][\w.-]{0,127}$")]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
"""Words, or a line that is split as a shell would."""
Labels = Annotated[tuple[Annotated[str, AfterValidator(_label)], ...], BeforeValidator(_words)]
Tolerations = Annotated[tuple[Annotated[str, AfterValidator(_toleration)], ...], BeforeValidator(_words)]
Ports = Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], BeforeValidator(_words)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_words)]


class Settings(BaseModel):
    """Everything that decides what is rendered. Field descriptions are the flags' help."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry: str = Field("docker.io", pattern=r"^[a-zA-Z0-9.-]+(:\d+)?$", description="host of the image registry")
    serving_image: Image = Field("ashutoshj/qna_service", description="repository of the serving image")
    training_image: Image = Field("ashutoshj/training_image2", description="repository of the training image")
    tag: Tag = Field("latest", description="tag of the serving image")
    training_tag: Tag = Field("latest", description="tag of the training image")
    digest: str | None = Field(
        None, pattern=r"^sha256:[0-9a-f]{64}$", description="digest of the serving image; wins over the tag"
    )
    registry_secret: Name | None = Field(
        "regcred", description="Secret with the registry's credentials, in both namespaces"
    )
    registry_insecure: bool = Field(False, description="speak plain HTTP to the registry")
    kaniko_image: str = Field(
        "ghcr.io/osscontainertools/kaniko:v1.28.2", description="image of Kaniko's maintained fork"
    )
    git_url: str = Field(
        "https://github.com/ashutoshj/extractive-qa",
        pattern=r"^https://[^\s#@]+$",
        description="repository that the training image is built from, without credentials",
    )
    git_branch: str = Field("main", pattern=r"^[\w./-]+$", description="its branch")
    git_commit: str | None = Field(None, pattern=r"^[0-9a-f]{40}$", description="commit to build; none: the newest")
    build_arguments: Words = Field(
        (), description="NAME=VALUE of both Dockerfiles, such as BASE_IMAGE=... or PIP_INDEX_URL=..."
    )
    git_secret: Name | None = Field(None, description="Secret whose key `token` reads a private repository")
    kaniko_ca: str | None = Field(
        None,
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[\w.-]+)?$",
        description="ConfigMap[/KEY] in the training namespace with the CA of registry and git server; key: ca.crt",
    )
    kaniko_arguments: Words = Field(
        (), description="more arguments for Kaniko; as a flag: --kaniko-arguments=--cache=true"
    )
    build_cpu: Quantity = Field("500m", description="CPU that a build is granted at least")
    build_memory: Quantity = Field("2Gi", description="memory that a build gets")

    training_namespace: Name = Field("training-model-env", description="namespace of training and builds")
    serving_namespace: Name = Field("serving-model-env", description="namespace of the service")

    port: int = Field(5000, ge=1024, le=65535, description="port of the service, in its pods and its Service")
    node_port: int = Field(30008, ge=30000, le=32767, description="port of the Service on every node")
    host: str = Field("qna-model.local", pattern=r"^[a-z0-9.-]+$", description="host name of Ingress or HTTPRoute")
    ingress_class: Name | None = Field(None, description="class of the Ingress; none: the cluster's default")
    gateway: str | None = Field(
        None,
        pattern=r"^([a-z0-9-]+/)?[a-z0-9-]+$",
        description="[NAMESPACE/]NAME of a Gateway; with it an HTTPRoute takes the place of the Ingress",
    )

    cpu_request: Quantity = Field("250m", description="CPU that a serving pod is granted at least")
    memory_request: Quantity = Field("512Mi", description="memory that a serving pod is granted at least")
    cpu_limit: Quantity = Field("500m", description="CPU that a serving pod gets at most")
    memory_limit: Quantity = Field("1Gi", description="memory that a serving pod gets at most")
    min_replicas: int = Field(2, ge=1, description="serving pods at least")
    max_replicas: int = Field(10, ge=1, description="serving pods at most")
    cpu_percent: int = Field(5, ge=1, le=100, description="share of the requested CPU that the HPA aims at")
    scale_down_s: int = Field(
        300, ge=0, le=3600, description="seconds whose greatest wish the HPA heeds before it removes pods"
    )
    max_concurrency: int = Field(32, ge=1, description="requests in flight in a pod before more are answered 429")
    timeout_s: int = Field(60, ge=1, description="seconds before a request is answered 504")
    drain_s: int = Field(10, ge=1, description="seconds that a stopping pod still takes requests, until all know of it")

    storage_size: Quantity = Field("1Gi", description="size of the training volume")
    volume: Name = Field("train-model-pv", description="name of the volume, which all namespaces share")
    storage_path: str = Field("/mnt/model", pattern=r"^/[\w./-]+$", description="the volume's folder on its node")
    storage_class: str | None = Field(
        None, description="class of the training volume; none: a folder of the node (hostPath)"
    )
    train_arguments: Words = Field((), description="arguments for `python -m training train` in the cluster")
    train_cpu: Quantity = Field("1", description="CPU that a training pod is granted at least")
    train_memory: Quantity = Field("3Gi", description="memory that a training pod gets")
    train_gpus: int = Field(0, ge=0, description="GPUs of a training pod")
    train_nodes: int = Field(1, ge=1, description="training pods, which torchrun brings together")
    keep_models: int = Field(5, ge=1, description="newest models that stay on the volume, beside the one in production")
    train_deadline_s: int = Field(1800, ge=60, description="seconds that a training may take")
    load_shape: str = Field(
        "ramp:users=20,seconds=30,hold=60", pattern=r"^\w+:[\w=.,]+$", description="load from inside the cluster"
    )
    load_arguments: Words = Field((), description="more arguments for Locust there, such as `--processes 4`")
    keep_jobs_s: int = Field(86400, ge=0, description="seconds after which a finished Job is removed")
    serving_nodes: Labels = Field((), description="KEY=VALUE: labels of the nodes that serving pods may run on")
    serving_tolerations: Tolerations = Field(
        (), description="KEY[=VALUE][:EFFECT]: taints of nodes that serving pods tolerate"
    )
    job_nodes: Labels = Field((), description="KEY=VALUE: labels of the nodes that Jobs may run on")
    job_tolerations: Tolerations = Field((), description="KEY[=VALUE][:EFFECT]: taints of nodes that Jobs tolerate")
    build_ports: Ports = Field(
        (443,), description="TCP ports that builds may reach outside, beside the registry's: add an own git server's"
    )
    dns_namespace: Name = Field("kube-system", description="namespace of the cluster's DNS (OpenShift: openshift-dns)")
    dns_port: int = Field(53, ge=1, le=65535, description="port of its pods (OpenShift: 5353)")
    dns_addresses: Networks = Field(
        (), description="address blocks of DNS outside of pods, such as NodeLocal DNS's 169.254.20.10/32"
    )
    rollout_deadline_s: int = Field(600, ge=1, description="seconds that a rollout may take")
    registry_check: bool = Field(True, description="ask the registry from here: for digests, and to move `latest`")
    kube_context: str | None = Field(None, description="context of KUBECONFIG; none: its current one")
    monitoring: Literal["none", "prometheus"] = Field(
        "none", description="prometheus: add a ServiceMonitor and a Grafana dashboard"
    )

    @field_validator(
        *("registry_secret", "digest", "git_commit", "git_secret", "ingress_class", "gateway", "storage_class"),
        *("kube_context", "kaniko_ca"),
        mode="before",
    )
    @classmethod
    def _none(cls, value: Any) -> Any:
        """Read the word `none`, since a flag or variable can't be null."""
        return None if value == "none" else value

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas {self.max_replicas} is below min_replicas {self.min_replicas}")
        if self.training_namespace == self.serving_namespace:
            raise ValueError("training and serving need a namespace each: builds may do what a service must not")
        if self.train_nodes > 1 and self.storage_class is None:
            raise ValueError("train_nodes above 1 needs a storage_class whose volumes several nodes can write to")
        return self

    @property
    def serving_reference(self) -> str:
        """The serving image as a pod names it: by digest when there is one."""
        version = f":{self.tag}" if self.digest is None else f"@{self.digest}"
        return f"{self.registry}/{self.serving_image}{version}"

    @property
    def training_reference(self) -> str:
        """The training image as a pod names it."""
        return f"{self.registry}/{self.training_image}:{self.training_tag}"


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"QNA_DEPLOY_{name.upper()}"


def load(path: Path | None, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """Read settings from a YAML file (none: the defaults); the environment wins over it, and flags over both.

    Raises SettingsError.
    """
    values: Any = {}
    if path is not None:
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, yaml.YAMLError) as error:
            raise SettingsError(f"settings file {path} cannot be read: {error}") from error
        if not isinstance(values, dict):
            raise SettingsError(f"settings file {path} must hold a mapping of settings, not {type(values).__name__}")
    for name in Settings.model_fields:
        for known in (ESTABLISHED.get(name), variable(name)):
            if known and environment.get(known):
                values[name] = environment[known]
    try:
        return Settings(**{**values, **flags})
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()]
        raise SettingsError("; ".join(lines)) from error
