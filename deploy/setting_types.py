"""The types of settings: text that is validated by its form."""

from __future__ import annotations

import ipaddress
import re
import shlex
from typing import Annotated, Any

from kubernetes.utils.quantity import parse_quantity
from pydantic import AfterValidator, BeforeValidator, Field

_AMOUNT = re.compile(r"\+?(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
"""A quantity that is not negative: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""


def _quantity(text: str) -> str:
    if not _AMOUNT.fullmatch(text) or parse_quantity(text) == 0:  # type: ignore[no-untyped-call]
        raise ValueError(
            "expected an amount above 0 as Kubernetes writes it, such as 0.5, 500m or 2 of CPU, 512Mi, 1.5Gi or 1e9 of "
            "memory"
        )
    return text


def _number(value: Any) -> Any:
    """Accept a number of a settings file as a quantity, such as 0.5."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _form(pattern: str, expected: str) -> AfterValidator:
    """Accept text that matches the pattern. expected: description of the pattern."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text, re.ASCII):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


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


Quantity = Annotated[str, BeforeValidator(_number), AfterValidator(_quantity)]
Name = Annotated[
    str,
    _form(
        r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
        "a name of Kubernetes: 1 to 63 lower-case letters, digits and hyphens, no hyphen at either end (RFC 1123)",
    ),
]
Image = Annotated[
    str,
    _form(
        r"[a-z0-9]+([._/-][a-z0-9]+)*",
        "a repository's path in lower case, such as ada/reader, without registry, tag and digest",
    ),
]
Tag = Annotated[
    str, _form(r"\w[\w.-]{0,127}", "an image's tag: up to 128 letters, digits, dots, hyphens and underscores")
]
Registry = Annotated[str, _form(r"[a-zA-Z0-9.-]+(:\d+)?", "HOST or HOST:PORT of a registry, without https:// and path")]
Digest = Annotated[str, _form(r"sha256:[0-9a-f]{64}", "sha256: and 64 lower-case hexadecimal digits")]
GitUrl = Annotated[str, _form(r"https://[^\s#@]+", "an https:// URL without user, password, # and spaces")]
Branch = Annotated[str, _form(r"[\w./-]+", "a branch's name: letters, digits, dots, slashes, hyphens and underscores")]
Commit = Annotated[str, _form(r"[0-9a-f]{40}", "a whole commit: 40 lower-case hexadecimal digits")]
Host = Annotated[str, _form(r"[a-z0-9.-]+", "a host name in lower case, such as qna.example.org")]
Gateway = Annotated[str, _form(r"([a-z0-9-]+/)?[a-z0-9-]+", "NAME or NAMESPACE/NAME of a Gateway")]
Folder = Annotated[str, _form(r"/[\w./-]+", "an absolute folder of letters, digits, dots, hyphens and underscores")]
Shape = Annotated[str, _form(r"\w+:[\w=.,]+", "a load shape such as ramp:users=20,seconds=30,hold=60")]
Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
"""A list of words, or a line that is split like a shell command."""
Labels = Annotated[tuple[Annotated[str, AfterValidator(_label)], ...], BeforeValidator(_words)]
Tolerations = Annotated[tuple[Annotated[str, AfterValidator(_toleration)], ...], BeforeValidator(_words)]
Ports = Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], BeforeValidator(_words)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_words)]
