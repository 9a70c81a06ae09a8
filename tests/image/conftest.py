"""An image as the cluster gets it, without Docker: base by debootstrap, build by buildah, a registry, containerd.

All of it lives in one temporary folder and ends with the session.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from loadtest import processes
from tests.commands import training_command

PACKAGES = {
    "debootstrap": "debootstrap",
    "buildah": "buildah",
    "docker-registry": "docker-registry",
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
}
"""Programs, and the Debian packages that they are in."""
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
UNNEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/lib/apt/lists", "var/cache/apt")
"""What images of Python leave out as well."""
BASE = "localhost/python-base"


@dataclass(frozen=True)
class Image:
    """A pushed image. reference: with its digest, as a pod names it. unpacked: its size on disk (bytes)."""

    reference: str
    digest: str
    unpacked: int


@dataclass(frozen=True)
class Containers:
    """A containerd of our own."""

    socket: Path

    def ctr(self, *words: str, check: bool = True) -> str:
        """Run `ctr` against it and return what it wrote."""
        done = subprocess.run(
            ["ctr", "--address", str(self.socket), *words], capture_output=True, text=True, timeout=120
        )
        if check and done.returncode:
            raise AssertionError(f"ctr {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    missing = sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})
    if missing:
        pytest.skip(f"images can't be built here; as root: apt-get install {' '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("images can't be built here: containerd and debootstrap need root")


@pytest.fixture(scope="session")
def buildah(tmp_path_factory):
    """A function that runs buildah with a store of its own and returns what it printed."""
    store = tmp_path_factory.mktemp("buildah")
    storage = ["--storage-driver", "vfs", "--root", str(store / "root"), "--runroot", str(store / "run")]

    def run(*words: str) -> str:
        done = subprocess.run(["buildah", *storage, *words], capture_output=True, text=True, timeout=1200)
        if done.returncode:
            raise AssertionError(f"buildah {' '.join(words)}:\n{done.stdout[-6000:]}{done.stderr[-6000:]}")
        return done.stdout.strip()

    yield run
    run("rmi", "--all", "--force")


@pytest.fixture(scope="session")
def base_image(buildah, tmp_path_factory) -> str:
    """Debian with Python 3.11, as python:3.11-slim-bookworm is, made here."""
    folder = tmp_path_factory.mktemp("base") / "root"
    packages = "--include=python3,python3-venv,python3-pip,ca-certificates"
    command = ["debootstrap", "--variant=minbase", packages, "bookworm", str(folder)]
    command += filter(None, [os.environ.get("DEBIAN_MIRROR")])  # debootstrap knows one of its own
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    for unneeded in UNNEEDED:
        shutil.rmtree(folder / unneeded, ignore_errors=True)
    if CERTIFICATES.is_file():  # a package index behind an authority of its own
        shutil.copyfile(CERTIFICATES, folder / CERTIFICATES.relative_to("/"))
        (folder / "etc/pip.conf").write_text(f"[global]\ncert = {CERTIFICATES}\n")
    container = buildah("from", "scratch")
    buildah("add", container, str(folder), "/")
    buildah("commit", "--rm", container, BASE)
    shutil.rmtree(folder)
    return BASE


@pytest.fixture(scope="session")
def registry(tmp_path_factory) -> Iterator[str]:
    """A registry on a free port of this machine; its host and port."""
    folder = tmp_path_factory.mktemp("registry")
    address = f"127.0.0.1:{processes.free_port()}"
    config = folder / "config.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\nhttp: {{addr: '{address}'}}\n"
    )
    with processes.started(["docker-registry", "serve", str(config)], folder / "log"):
        wait_for(lambda: httpx.get(f"http://{address}/v2/").status_code == 200)
        yield address


@pytest.fixture(scope="session")
def image(buildah, base_image, registry, tiny_store, tmp_path_factory) -> Image:
    """The Bento's image, built from the exported context alone, pushed, and known by its digest."""
    folder = tmp_path_factory.mktemp("context")
    training_command("package", "--context", str(folder / "context.tar.gz"), home=tiny_store)
    # As Kaniko does, with the modes that the store has: Python's filters would widen them.
    (folder / "context").mkdir()
    unpack = ["tar", "--extract", "--gzip", "--file", str(folder / "context.tar.gz"), "--directory"]
    subprocess.run([*unpack, str(folder / "context")], check=True)
    name = f"{registry}/qna_service:test"
    build = ["build", "--isolation", "chroot", "--build-arg", f"BASE_IMAGE={base_image}", "--tag", name]
    buildah(*build, "--file", str(folder / "context/env/docker/Dockerfile"), str(folder / "context"))
    buildah("push", "--tls-verify=false", "--digestfile", str(folder / "digest"), name)
    digest = (folder / "digest").read_text().strip()
    container = buildah("from", name)
    unpacked = sum(path.lstat().st_size for path in Path(buildah("mount", container)).rglob("*"))
    buildah("rm", container)
    return Image(f"{registry}/qna_service@{digest}", digest, unpacked)


@pytest.fixture(scope="session")
def containers(tmp_path_factory, image) -> Iterator[Containers]:
    """A containerd that has pulled the image by its digest."""
    folder = tmp_path_factory.mktemp("containerd")
    config = folder / "config.toml"
    config.write_text(
        f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
        f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{folder}/containerd.sock"\n'
    )
    ours = Containers(folder / "containerd.sock")
    with processes.started(["containerd", "--config", str(config)], folder / "log"):
        wait_for(lambda: "Server:" in ours.ctr("version", check=False))
        ours.ctr("images", "pull", "--plain-http", image.reference)
        yield ours


def wait_for(condition, timeout_s: float = 60) -> None:
    """Ask until it is so."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if condition():
                return
        time.sleep(0.1)
    raise AssertionError(f"not within {timeout_s} s")
