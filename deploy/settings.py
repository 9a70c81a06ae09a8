"""The settings of a deployment: one validated object from flags, the environment and a YAML file."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from deploy.errors import SettingsError
from deploy.quantities import millicores, whole_bytes
from deploy.setting_types import (
    Branch,
    Commit,
    Digest,
    Folder,
    Gateway,
    GitUrl,
    Host,
    Image,
    Labels,
    Name,
    Networks,
    Ports,
    Quantity,
    Registry,
    Shape,
    Tag,
    Tolerations,
    Words,
)

PREFIX = "QNA_DEPLOY_"
ESTABLISHED = {"serving_image": "DOCKER_IMAGE_NAME", "git_url": "GITHUB_REPO_URL"}
"""Variables that existing pipelines set. Every setting also has a variable with PREFIX, which takes precedence."""


class Settings(BaseModel):
    """The settings of a deployment. The descriptions of the fields are the help of the flags."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    registry: Registry = Field("docker.io", description="host of the image registry")
    serving_image: Image = Field("ashutoshj/qna_service", description="repository of the serving image")
    training_image: Image = Field("ashutoshj/training_image2", description="repository of the training image")
    tag: Tag = Field("latest", description="tag of the serving image")
    training_tag: Tag = Field("latest", description="tag of the training image")
    digest: Digest | None = Field(None, description="digest of the serving image; wins over the tag")
    registry_secret: Name | None = Field(
        "regcred", description="Secret with the registry's credentials, in both namespaces"
    )
    registry_insecure: bool = Field(False, description="use plain HTTP for the registry")
    kaniko_image: str = Field(
        "ghcr.io/osscontainertools/kaniko:v1.28.2", description="image of Kaniko's maintained fork"
    )
    git_url: GitUrl = Field(
        "https://github.com/ashutoshj/extractive-qa",
        description="repository that the training image is built from, without credentials",
    )
    git_branch: Branch = Field("main", description="branch of the repository")
    git_commit: Commit | None = Field(None, description="commit to build; none: the newest")
    build_arguments: Words = Field(
        (), description="NAME=VALUE of both Dockerfiles, such as BASE_IMAGE=... or PIP_INDEX_URL=..."
    )
    git_secret: Name | None = Field(None, description="Secret whose key `token` holds a token for a private repository")
    kaniko_ca: str | None = Field(
        None,
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[\w.-]+)?$",
        description="ConfigMap[/KEY] in the training namespace with the CA of registry and git server; key: ca.crt",
    )
    kaniko_arguments: Words = Field(
        (), description="further arguments for Kaniko; as a flag: --kaniko-arguments=--cache=true"
    )
    build_cpu: Quantity = Field("500m", description="CPU request of a build")
    build_memory: Quantity = Field("2Gi", description="memory request and limit of a build")

    training_namespace: Name = Field("training-model-env", description="namespace of training and builds")
    serving_namespace: Name = Field("serving-model-env", description="namespace of the service")

    port: int = Field(5000, ge=1024, le=65535, description="port of the service in its pods and of its Service")
    node_port: int = Field(30008, ge=30000, le=32767, description="port of the Service on every node")
    host: Host = Field("qna-model.local", description="host name of Ingress or HTTPRoute")
    ingress_class: Name | None = Field(None, description="class of the Ingress; none: the cluster's default")
    tls_secret: Name | None = Field(
        None, description="Secret of type kubernetes.io/tls in the serving namespace, for HTTPS at the Ingress"
    )
    gateway: Gateway | None = Field(
        None,
        description="[NAMESPACE/]NAME of a Gateway; with a Gateway, an HTTPRoute replaces the Ingress",
    )

    cpu_request: Quantity = Field("250m", description="CPU request of a serving pod")
    memory_request: Quantity = Field("512Mi", description="memory request of a serving pod")
    cpu_limit: Quantity = Field("500m", description="CPU limit of a serving pod")
    memory_limit: Quantity = Field("1Gi", description="memory limit of a serving pod")
    min_replicas: int = Field(2, ge=1, description="minimum number of serving pods")
    max_replicas: int = Field(10, ge=1, description="maximum number of serving pods")
    cpu_percent: int = Field(5, ge=1, le=100, description="target CPU use of the HPA, in percent of the request")
    scale_down_s: int = Field(
        300, ge=0, le=3600, description="stabilization window of the HPA before it removes pods, in seconds"
    )
    max_concurrency: int = Field(
        32, ge=1, description="maximum number of requests in flight in a pod; further requests get status 429"
    )
    timeout_s: int = Field(60, ge=1, description="seconds after which a request gets status 504")
    drain_s: int = Field(10, ge=1, description="seconds for which a stopping pod still accepts requests")

    storage_size: Quantity = Field("1Gi", description="size of the training volume")
    volume: Name = Field(
        "train-model-pv", description="name of the PersistentVolume, which must be unique in the cluster"
    )
    storage_path: Folder = Field("/mnt/model", description="folder of the volume on its node")
    storage_class: str | None = Field(
        None, description="class of the training volume; none: a folder of the node (hostPath)"
    )
    train_arguments: Words = Field((), description="arguments for `python -m training train` in the cluster")
    train_cpu: Quantity = Field("1", description="CPU request of a training pod")
    train_memory: Quantity = Field("3Gi", description="memory request and limit of a training pod")
    train_gpus: int = Field(0, ge=0, description="number of GPUs of a training pod")
    train_nodes: int = Field(1, ge=1, description="number of training pods, which torchrun connects")
    keep_models: int = Field(
        5, ge=1, description="number of newest models to keep on the volume, besides the one in production"
    )
    train_deadline_s: int = Field(1800, ge=60, description="time limit of a training, in seconds")
    load_shape: Shape = Field(
        "ramp:users=20,seconds=30,hold=60", description="load shape of the load test in the cluster"
    )
    load_arguments: Words = Field(
        (), description="further arguments for Locust in the cluster, such as `--processes 4`"
    )
    keep_jobs_s: int = Field(86400, ge=0, description="seconds after which a finished Job is removed")
    serving_nodes: Labels = Field((), description="KEY=VALUE: labels of the nodes that serving pods may run on")
    serving_tolerations: Tolerations = Field(
        (), description="KEY[=VALUE][:EFFECT]: taints of nodes that serving pods tolerate"
    )
    job_nodes: Labels = Field((), description="KEY=VALUE: labels of the nodes that Jobs may run on")
    job_tolerations: Tolerations = Field((), description="KEY[=VALUE][:EFFECT]: taints of nodes that Jobs tolerate")
    build_ports: Ports = Field((443,), description="TCP ports that builds may connect to, besides that of the registry")
    dns_namespace: Name = Field("kube-system", description="namespace of the cluster's DNS (OpenShift: openshift-dns)")
    dns_port: int = Field(53, ge=1, le=65535, description="port of the cluster's DNS pods (OpenShift: 5353)")
    dns_addresses: Networks = Field(
        (), description="address blocks of DNS servers outside of pods, such as 169.254.20.10/32 of NodeLocal DNS"
    )
    rollout_deadline_s: int = Field(600, ge=1, description="time limit of a rollout, in seconds")
    registry_check: bool = Field(
        True, description="connect to the registry from this machine, to read digests and to move `latest`"
    )
    kube_context: str | None = Field(None, description="context of KUBECONFIG; none: its current one")
    monitoring: Literal["none", "prometheus"] = Field(
        "none", description="prometheus: add a ServiceMonitor, alerts and a Grafana dashboard"
    )

    @field_validator(
        *("registry_secret", "digest", "git_commit", "git_secret", "ingress_class", "tls_secret", "gateway"),
        *("storage_class", "kube_context", "kaniko_ca"),
        mode="before",
    )
    @classmethod
    def _read_none(cls, value: Any) -> Any:
        """Read the word `none` as null, since a flag or variable can't be null."""
        return None if value == "none" else value

    @model_validator(mode="after")
    def _check_consistency(self) -> Settings:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas {self.max_replicas} is below min_replicas {self.min_replicas}")
        for resource, parse in (("cpu", millicores), ("memory", whole_bytes)):
            request, limit = (getattr(self, f"{resource}_{end}") for end in ("request", "limit"))
            if parse(request) > parse(limit):
                raise ValueError(f"{resource}_request {request} is above {resource}_limit {limit}")
        if self.training_namespace == self.serving_namespace:
            raise ValueError("training and serving need a namespace each: builds may do what a service must not")
        if self.tls_secret is not None and self.gateway is not None:
            raise ValueError(
                "tls_secret is for the Ingress; with a gateway, the Gateway's listener holds the certificate"
            )
        if self.train_nodes > 1 and self.storage_class is None:
            raise ValueError("train_nodes above 1 needs a storage_class whose volumes several nodes can write to")
        return self

    @property
    def serving_reference(self) -> str:
        """The reference of the serving image, by digest if there is one."""
        version = f":{self.tag}" if self.digest is None else f"@{self.digest}"
        return f"{self.registry}/{self.serving_image}{version}"

    @property
    def training_reference(self) -> str:
        """The reference of the training image."""
        return f"{self.registry}/{self.training_image}:{self.training_tag}"


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"


def load(path: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Read settings from flags, the environment, a YAML file (path) and the defaults, in this order of precedence.

    An empty variable counts as unset. Raises SettingsError.
    """
    content = {} if path is None else _read(path)
    established = {name: os.environ[known] for name, known in ESTABLISHED.items() if os.environ.get(known)}

    class Sources(BaseSettings, Settings):
        model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, enable_decoding=False)

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # the signature is the library's
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            known = InitSettingsSource(settings_cls, established)
            return init_settings, env_settings, known, InitSettingsSource(settings_cls, content)

    try:
        return Settings.model_validate(Sources(**flags).model_dump())
    except ValidationError as error:
        raise SettingsError("; ".join(map(_message, error.errors()))) from None  # its own text would show the values


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"settings file {path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"settings file {path} must hold a mapping of settings, not {type(content).__name__}")
    return {str(name): value for name, value in content.items()}


def _message(error: Any) -> str:
    """Return the name of the invalid setting and what is expected, without its value, which may be a secret."""
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        similar = difflib.get_close_matches(name, Settings.model_fields, 1)
        hint = f"did you mean {similar[0]}?" if similar else "`python -m deploy render --help` lists them"
        return f"{name} is no setting; {hint}"
    if error["type"] == "string_pattern_mismatch":
        return f"{name}: not of the form that is expected ({Settings.model_fields[name].description})"
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    expected = message if message.startswith("expected") or not name else f"expected {message}"
    return f"{name}: {expected}" if name else message
