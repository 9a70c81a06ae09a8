"""How `make` makes the environment: which torch, which Python."""

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from threading import Thread

import pytest

from loadtest import processes
from tests import pythons
from tests.commands import ROOT

spec = spec_from_file_location("install_torch", ROOT / "requirements/install_torch.py")
assert spec is not None
assert spec.loader is not None
install_torch = module_from_spec(spec)
spec.loader.exec_module(install_torch)


FILE = "torch-2.13.0+cpu-py3-none-any.whl"


class Index(BaseHTTPRequestHandler):
    """A package index at /cpu that has a torch of another content than the real ones."""

    def do_GET(self):
        pages = {"/cpu/torch/": f'<!doctype html><a href="/cpu/{FILE}">{FILE}</a>'.encode(), f"/cpu/{FILE}": b"changed"}
        page = pages.get(self.path.replace("%2B", "+"), b"")
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html" if page.startswith(b"<") else "application/octet-stream")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *args):
        pass


@pytest.fixture
def index():
    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_index_that_has_torch_is_reachable(index):
    assert install_torch.reachable(f"{index}/cpu")


def test_an_index_without_torch_or_that_does_not_answer_is_not(index):
    assert not install_torch.reachable(f"{index}/else")
    assert not install_torch.reachable(f"http://127.0.0.1:{processes.free_port()}")
    assert not install_torch.reachable("no address")


def test_a_torch_that_is_not_the_pinned_one_is_refused(index, tmp_path, monkeypatch, capfd):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_TARGET", str(tmp_path))
    assert install_torch.main(["--index-url", f"{index}/cpu"]) != 0
    assert "DO NOT MATCH THE HASHES" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())


def make(folder, *words):
    """Make an environment in another folder than this one's."""
    command = ["make", "--no-print-directory", "--file", str(ROOT / "Makefile"), ".venv/.created", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_a_python_that_is_not_supported_is_refused(tmp_path):
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\nexec python3 -c "import sys; sys.version_info = (3, 10); $(echo "$2")"\n')
    old.chmod(0o755)
    done = make(tmp_path, f"PYTHON={old}")
    assert done.returncode
    assert f"Python 3.11 to 3.13 is needed, {old} is 3.10" in done.stderr


def test_no_python_at_all_is_told(tmp_path):
    done = make(tmp_path, "PYTHON=")
    assert done.returncode
    assert "Python 3.11, 3.12 or 3.13 is needed and none was found" in done.stderr


def test_another_interpreter_is_found_only_if_it_runs(tmp_path, monkeypatch):
    (tmp_path / "python3.12").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "python3.12").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert pythons.find("3.12") is None


def test_training_without_its_packages_names_the_command_that_installs_them():
    program = (
        "import runpy, sys; sys.modules['pydantic_settings'] = None; runpy.run_module('training', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "error: pydantic_settings is not installed; `make install` adds what training needs\n"
