"""A real Prometheus, in which a minute of the rules lasts half a second."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from loadtest import processes

MINUTE_MS = 500
"""What a minute of a rule becomes, and how often Prometheus scrapes and evaluates."""
START_S = 30
_MINUTES = {"m": 1, "h": 60}
_RANGE = re.compile(r"\[(\d+)([mh])\]")


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus. url: without a slash at the end."""

    url: str

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        return {alert["labels"]["alertname"] for alert in self._get("alerts")["alerts"] if alert["state"] == "firing"}

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that a query yields now."""
        return list(self._get("query", query=expression)["result"])

    def _get(self, what: str, **parameters: str) -> dict[str, Any]:
        response = httpx.get(f"{self.url}/api/v1/{what}", params=parameters, timeout=10)
        response.raise_for_status()
        return dict(response.json()["data"])


@contextmanager
def running(folder: Path, rules: dict[str, Any], scrapes: list[dict[str, Any]]) -> Iterator[Prometheus]:
    """Run Prometheus with the rules of a PrometheusRule, made faster; its files go into `folder`."""
    every = f"{MINUTE_MS}ms"
    intervals = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    config = {"global": intervals, "rule_files": ["rules.yaml"], "scrape_configs": scrapes}
    (folder / "rules.yaml").write_text(yaml.safe_dump(faster(rules)))
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    port, log = processes.free_port(), folder / "prometheus.log"
    command = ["prometheus", "--config.file=prometheus.yaml", f"--web.listen-address=127.0.0.1:{port}"]
    with processes.started([*command, "--storage.tsdb.path=data"], log, cwd=folder) as process:
        prometheus = Prometheus(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + START_S
        while not _ready(prometheus):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Prometheus did not start:\n{log.read_text()}")
            time.sleep(0.1)
        yield prometheus


def faster(rules: dict[str, Any]) -> dict[str, Any]:
    """Return rules with shorter ranges and a shorter `for`; nothing else of an expression changes."""
    groups = [{**group, "rules": [_faster(rule) for rule in group["rules"]]} for group in rules["groups"]]
    return {"groups": groups}


def _faster(rule: dict[str, Any]) -> dict[str, Any]:
    expression = _RANGE.sub(lambda match: f"[{_shorter(*match.groups())}]", rule["expr"])
    return {**rule, "expr": expression, "for": _shorter(rule["for"][:-1], rule["for"][-1])}


def _shorter(count: str, unit: str) -> str:
    return f"{int(count) * _MINUTES[unit] * MINUTE_MS}ms"


def _ready(prometheus: Prometheus) -> bool:
    try:
        return httpx.get(f"{prometheus.url}/-/ready", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
