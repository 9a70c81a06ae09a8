"""Deploys as a person does, and keeps what was typed and what the cluster says of it under runs/e2e."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml
from kubernetes import client, config

from deploy import settings
from deploy.apply import ADMINISTRATORS, apply
from deploy.errors import DeployError
from deploy.objects.access import DEPLOYER
from tests.commands import ROOT

CAPTURED = ROOT / "runs/e2e"
ACCOUNT = CAPTURED / "deployer.kubeconfig"
ADMINISTRATOR = os.environ.get("KUBECONFIG", "")
_LIMIT_S = 5000


def administer(cluster, flags):
    """Apply what only an administrator may, and write the deployer's KUBECONFIG."""
    rendered = deploy("render", "--output", "json", flags=flags, account=ADMINISTRATOR)
    objects = [made for made in json.loads(rendered.stdout)["items"] if made["kind"] in ADMINISTRATORS]
    apply(cluster, objects, lambda _: None)
    place = next(made["metadata"]["namespace"] for made in objects if made["metadata"]["name"] == DEPLOYER)
    token = core().create_namespaced_service_account_token(DEPLOYER, place, {"spec": {"expirationSeconds": 7200}})
    known = yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text())
    used = next(c["context"]["user"] for c in known["contexts"] if c["name"] == known["current-context"])
    known["users"] = [{"name": used, "user": {"token": token.status.token}}]
    CAPTURED.mkdir(parents=True, exist_ok=True)
    ACCOUNT.write_text(yaml.safe_dump(known))
    ACCOUNT.chmod(0o600)


def administrator():
    """A connection of the official client, for what `python -m deploy` never does."""
    config.load_kube_config(os.environ["KUBECONFIG"])
    return client.ApiClient()


def core():
    """The official client's API of pods, nodes and namespaces."""
    return client.CoreV1Api(administrator())


def settings_of(flags):
    """The settings that these flags and the environment make."""
    named = {
        flag.removeprefix("--").replace("-", "_"): value for flag, value in zip(flags[::2], flags[1::2], strict=True)
    }
    return settings.load(None, named)


def deploy(*words, flags, account=None):
    """Run `python -m deploy` as a person does, as the deployer or another account (its KUBECONFIG)."""
    with deploying(*words, flags=flags, account=account) as process:
        return ended(process)


@contextmanager
def deploying(*words, flags, account=None) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m deploy` beside what the block does; end it with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy", *words, *flags],
        cwd=ROOT,
        env={**os.environ, "KUBECONFIG": account or str(ACCOUNT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def ended(process):
    """Wait until a command that runs beside ends, and return it as `deploy` does."""
    stdout, stderr = process.communicate(timeout=_LIMIT_S)
    done = subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
    record(done)
    return done


def record(done):
    """Keep a command with what it printed."""
    CAPTURED.mkdir(parents=True, exist_ok=True)
    with (CAPTURED / "commands.log").open("a", encoding="utf-8") as log:
        log.write(f"$ python {' '.join(done.args[1:])}\n{done.stdout}{done.stderr}(exit code {done.returncode})\n\n")


def capture(cluster, namespaces):
    """Keep what the cluster says of it: events, pods, and the logs of all containers."""
    for namespace in namespaces:
        folder = CAPTURED / namespace
        folder.mkdir(parents=True, exist_ok=True)
        pods = cluster.find("Pod", namespace)
        for kind, found in (("events", cluster.find("Event", namespace)), ("pods", pods)):
            (folder / f"{kind}.json").write_text(json.dumps(found, indent=1))
        for pod in pods:
            for container in pod["spec"]["containers"]:
                name = pod["metadata"]["name"]
                with suppress(DeployError):
                    lines = cluster.log(name, container["name"], namespace, tail=2000)
                    (folder / f"{name}.log").write_text("\n".join(line.text for line in lines))
