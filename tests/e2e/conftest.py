"""A deployment in namespaces of its own, on the cluster that KUBECONFIG names.

KUBECONFIG is an administrator's, who applies what only an administrator may: namespaces, access and the volume. All
else is done as the account `qna-deployer`, whose rights are the least that docs/deploy.md names.

Image and registry come from the environment, as for every deployment: QNA_DEPLOY_REGISTRY, QNA_DEPLOY_SERVING_IMAGE
and so on. With QNA_DEPLOY_TRAINING_IMAGE the serving image is trained and built on the cluster first; without, or with
QNA_E2E_BUILT=1, it has to be in the registry. QNA_E2E_KEEP=1 leaves everything where it is. Events and logs go to
runs/e2e.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time

import pytest
import requests
from dxf import DXF
from dxf.exceptions import DXFError

from deploy import credentials
from deploy.cluster import Cluster
from deploy.settings import variable
from tests.e2e.deployment import ADMINISTRATOR, administer, capture, deploy, settings_of

GONE_S = 120


@pytest.fixture(scope="module")
def cluster():
    """The cluster, as its administrator sees it."""
    if not ADMINISTRATOR:
        pytest.skip("no cluster: set KUBECONFIG to the file that names one")
    if not os.environ.get(variable("registry")):
        pytest.skip("no registry: set QNA_DEPLOY_REGISTRY and QNA_DEPLOY_SERVING_IMAGE to where the image is")
    with Cluster.connect(patience_s=60) as connected:
        yield connected


@pytest.fixture(scope="module")
def flags(cluster, request):
    """Namespaces, a port and a volume that are nobody else's, and the module's own SETTINGS."""
    own = secrets.token_hex(3)
    chosen = {
        "training-namespace": f"qna-e2e-{own}-training",
        "serving-namespace": f"qna-e2e-{own}-serving",
        "volume": f"qna-e2e-{own}",
        "storage-path": f"/tmp/qna-e2e-{own}",
        "node-port": str(30100 + secrets.randbelow(2600)),
        "rollout-deadline-s": "300",
        **getattr(request.module, "SETTINGS", {}),
    }
    words = [word for name, value in chosen.items() for word in (f"--{name}", value)]
    namespaces = [chosen["training-namespace"], chosen["serving-namespace"]]
    administer(cluster, words)
    yield words
    capture(cluster, namespaces)
    if os.environ.get("QNA_E2E_KEEP") != "1":
        gone = deploy("delete", "--yes", "--purge", flags=words, account=ADMINISTRATOR)
        assert gone.returncode == 0, gone.stderr
        deadline = time.monotonic() + GONE_S
        while any(cluster.get("Namespace", name) for name in namespaces) and time.monotonic() < deadline:
            time.sleep(1)
        assert not [name for name in namespaces if cluster.get("Namespace", name)]


@pytest.fixture(scope="module")
def image(flags):
    """Flags that name the image: as it was built here, or as the environment says."""
    if not os.environ.get(variable("training_image")) or os.environ.get("QNA_E2E_BUILT") == "1":
        return flags
    trained = deploy("train", flags=flags)
    assert trained.returncode == 0, trained.stderr[-4000:]
    assert trained.stdout.startswith("extractive-qa:")
    again = deploy("train", flags=flags)
    assert again.stdout == trained.stdout
    assert "not made again" in again.stderr
    packaged = deploy("package", flags=flags)
    assert packaged.returncode == 0, packaged.stderr[-4000:]
    assert packaged.stdout.startswith("extractive-qa:")
    built = deploy("build", flags=flags)
    assert built.returncode == 0, built.stderr[-4000:]
    return [*flags, "--digest", built.stdout.strip()]


@pytest.fixture(scope="module")
def settings(image):
    """The settings of the deployment."""
    return settings_of(image)


@pytest.fixture
def other_image(settings):
    """A function that pushes the image under a digest that no node has, and returns the flags that name it."""

    def log_in(registry, response) -> None:
        registry.authenticate(*credentials.login(settings.registry), actions=["pull", "push"], response=response)

    def push() -> list[str]:
        images = DXF(
            settings.registry,
            settings.serving_image,
            auth=log_in,
            insecure=settings.registry_insecure,
        )
        name = f"e2e-{secrets.token_hex(4)}"
        try:
            manifest = json.loads(str(images.get_manifest(settings.digest or settings.tag)))
            manifest["annotations"] = {**manifest.get("annotations", {}), "org.opencontainers.image.ref.name": name}
            content = json.dumps(manifest)
            images.set_manifest(name, content)
        except (DXFError, requests.RequestException) as error:
            pytest.skip(f"these credentials can't push to {settings.registry}: {type(error).__name__}")
        return ["--digest", f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"]

    return push
