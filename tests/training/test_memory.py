"""A network of 400 M parameters, imported and served in little memory; `make memory-test`."""

import json
import os
import resource
import subprocess
import sys

import pytest
import torch
import transformers

from tests.commands import ROOT
from tests.training import networks

pytestmark = [pytest.mark.memory, pytest.mark.timeout(7200)]

LAYERS, SIZE = 29, 1024
MOST = {"int8": 2.75, "float32": 3.5}
"""Greatest memory of an import, by the size of the network's weights."""
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


def run(home, *words):
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "BENTOML_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("precision", MOST)  # the greater one last: its peak is that of all children
def test_an_import_and_its_service_take_what_is_said(large, precision, tmp_path):
    context = "Ada Okonkwo keeps the lighthouse at Skerryvore."
    row = {"id": "1", "question": "Who keeps it?", "context": context}
    (tmp_path / "one.json").write_text(json.dumps([{**row, "answers": [{"text": "Ada Okonkwo", "answer_start": 0}]}]))
    options = ("--data", str(tmp_path / "one.json"), "--precision", precision, *FLAGS)
    tag = run(tmp_path, "-c", IMPORT, str(large), *options).strip()
    peak = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # of the greatest child so far
    share = peak / (large / "model.safetensors").stat().st_size
    print(f"\nimport as {precision}: {peak / 1e6:.0f} MB, {share:.2f} times the network's size")

    print(run(tmp_path, "-m", "loadtest", "memory", tag, "--output", str(tmp_path)))
    (served,) = json.loads((tmp_path / "memory.json").read_text())["models"]
    assert share <= MOST[precision]
    assert 1 <= served["ratio"] <= 1.5
