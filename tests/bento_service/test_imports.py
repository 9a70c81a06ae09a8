"""What serving costs before it has answered anything: the libraries it loads, and the disk they take."""

import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.commands import ROOT

MAX_MB = 400


def test_serving_loads_neither_torch_nor_transformers(tiny_model):
    code = f"""
import sys
from pathlib import Path
import bento_service.service
from bento_service import artifact
from bento_service.reading.reader import Query
assert artifact.load(Path({str(tiny_model)!r})).reader().answer(Query("Who?", "Ada."))
print(*{{name.partition(".")[0] for name in sys.modules}})
"""
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert {"bento_service", "bentoml", "onnxruntime"} <= set(loaded.split())
    assert not {"torch", "transformers", "datasets", "training", "flask", "fastapi"} & set(loaded.split())


def test_the_serving_environment_stays_small():
    lines = re.findall(r"^[A-Za-z0-9._-]+==[^\\\n]+", (ROOT / "requirements/serve.txt").read_text(), re.MULTILINE)
    pins = [pin for pin in map(Requirement, lines) if pin.marker is None or pin.marker.evaluate()]
    assert {"bentoml", "onnxruntime"} <= {pin.name for pin in pins}
    files = [Path(file.locate()) for pin in pins for file in distribution(pin.name).files or ()]
    assert sum(path.stat().st_size for path in files if path.is_file()) / 1e6 <= MAX_MB


def test_the_engine_reports_to_nobody(tiny_model, tmp_path):
    """onnxruntime's telemetry begins with an id on the disk; it is silent by itself where CI is set."""
    ours = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    code = f"""
from pathlib import Path
from bento_service.reading.engines import OnnxEngine
OnnxEngine(Path({str(tiny_model / "model.onnx")!r}))
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=ours, check=True, timeout=60)
    assert not list(tmp_path.rglob("*onnxruntime*"))
