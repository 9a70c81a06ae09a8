"""A network of 400 M parameters, imported and served in little memory; `make memory-test`."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import transformers

from tests.commands import ROOT
from tests.training import networks

pytestmark = [pytest.mark.memory, pytest.mark.timeout(7200)]

LAYERS, SIZE = 29, 1024
MOST = 2.5
"""Greatest memory of an import, by the size of the network's weights."""
INTERVAL_S = 0.05
ANONYMOUS = re.compile(r"RssAnon:\s+(\d+) kB")
FLAGS = ("--min-f1", "*=0", "--min-served-ratio", "0", "--max-calibration-error", "1")
IMPORT = """
import sys
from training.__main__ import main
from training.export import graph
graph.CALIBRATION_QUESTIONS = 4
sys.exit(main(["import", *sys.argv[1:]]))
"""
"""With few windows to calibrate on: more take long, and no more memory than what follows."""


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A random BERT in a folder."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("large") / "reader"
    config = transformers.BertConfig(
        **networks.WORDS,
        hidden_size=SIZE,
        num_hidden_layers=LAYERS,
        num_attention_heads=SIZE // 64,
        intermediate_size=4 * SIZE,
    )
    transformers.AutoModelForQuestionAnswering.from_config(config).save_pretrained(folder)
    networks.tokenizer("bert").save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def all_cpus():
    """The CPUs of this process, which has them again afterwards."""
    cpus = sorted(os.sched_getaffinity(0))
    yield cpus
    os.sched_setaffinity(0, cpus)


def run(home, *words):
    """Return what a command prints, and the most memory that it had (bytes).

    Pages of files, such as a mapped checkpoint, do not count: the kernel drops them where memory is short.
    """
    environment = {**os.environ, "BENTOML_HOME": str(home)}
    peak = 0
    command = [sys.executable, *words]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, *(1024 * int(size) for size in ANONYMOUS.findall(status)), 0)
            time.sleep(INTERVAL_S)
        printed, _ = process.communicate()
    assert process.returncode == 0, printed
    return printed, peak


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_an_import_and_its_service_take_what_is_said(large, all_cpus, precision, tmp_path):
    context = "Ada Okonkwo keeps the lighthouse at Skerryvore."
    row = {"id": "1", "question": "Who keeps it?", "context": context}
    (tmp_path / "one.json").write_text(json.dumps([{**row, "answers": [{"text": "Ada Okonkwo", "answer_start": 0}]}]))
    options = ("--data", str(tmp_path / "one.json"), "--precision", precision, *FLAGS)
    printed, peak = run(tmp_path, "-c", IMPORT, str(large), *options)
    share = peak / (large / "model.safetensors").stat().st_size
    print(f"\nimport as {precision}: {peak / 1e6:.0f} MB, {share:.2f} times the network's size")

    ratios = []
    for cpus in (all_cpus, all_cpus[:1]):
        os.sched_setaffinity(0, cpus)
        print(run(tmp_path, "-m", "loadtest", "memory", printed.strip(), "--output", str(tmp_path))[0])
        (served,) = json.loads((tmp_path / "memory.json").read_text())["models"]
        ratios.append(served["ratio"])
    assert share <= MOST
    assert all(1 <= ratio <= 1.5 for ratio in ratios), ratios
