import subprocess
import sys

import numpy as np
import pytest
import torch

from bento_service.reading.tokenization import TextTokenizer
from tests.servers import ROOT
from training import config, data
from training.network import base, processor
from training.network.train import collate, fine_tune


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # peft reads it
@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_a_run_results_in_a_mean_with_its_base_and_that_is_what_is_measured(tiny_base, tmp_path, adapter):
    base_checkpoint = base.find(str(tiny_base))
    tokenizer = TextTokenizer.from_file(tiny_base / "tokenizer.json")
    examples = data.load(["sample:dev"])[:16]
    flags = {"base_model": str(tiny_base), "adapter": adapter, "learning_rate": 0.01, "batch_size": 4, "epochs": 2}
    results: dict[float, dict[str, torch.Tensor]] = {}
    measured: list[dict[str, torch.Tensor]] = []
    for share in (0, 0.25):
        settings = config.load(None, {**flags, "base_share": share, "output_dir": tmp_path / str(share)})
        measured.clear()

        def measure(model):
            measured.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
            return {"exact_match": 0.0, "f1": 0.0}

        model, rows = fine_tune(settings, base_checkpoint, tokenizer, examples, measure)
        results[share] = model.state_dict()
        assert len(rows) == len(measured) == 2
        assert not torch.equal(measured[0]["qa_outputs.weight"], measured[1]["qa_outputs.weight"])
        for name, tensor in results[share].items():
            assert torch.equal(tensor, measured[-1][name]), name
    start = base.load(base_checkpoint, config.TrainSettings()).state_dict()
    assert start.keys() == results[0].keys() == results[0.25].keys()
    moved = {name for name in start if not torch.equal(start[name], results[0][name])}
    assert any("attention" in name for name in moved)
    for name, tensor in start.items():
        torch.testing.assert_close(results[0.25][name], 0.75 * results[0][name] + 0.25 * tensor, msg=name)
        assert name in moved or torch.equal(results[0.25][name], tensor), name


def test_a_run_in_bfloat16_results_in_a_network_of_full_precision(tiny_base, tmp_path, monkeypatch):
    base_checkpoint = base.find(str(tiny_base))
    tokenizer = TextTokenizer.from_file(tiny_base / "tokenizer.json")
    examples = data.load(["sample:dev"])[:16]
    ids = torch.arange(1000, 1064)[None]
    weights, measured = [], []
    for in_bf16 in (False, True):  # every processor can compute in bfloat16, not all gain by it
        monkeypatch.setattr(processor, "multiplies_bf16", lambda in_bf16=in_bf16: in_bf16)
        flags = {"base_model": str(tiny_base), "learning_rate": 0.001, "output_dir": tmp_path / str(in_bf16)}

        def measure(model):
            measured.append(model(input_ids=ids).start_logits)
            return {"exact_match": 0.0, "f1": 0.0}

        model, _ = fine_tune(config.load(None, flags), base_checkpoint, tokenizer, examples, measure)
        weights.append(model.state_dict()["qa_outputs.weight"])
        plain = base.load(base_checkpoint, config.TrainSettings()).eval()
        plain.load_state_dict(model.state_dict())
        expected = plain(input_ids=ids).start_logits
        assert torch.equal(measured[-1], expected)
        assert torch.equal(model(input_ids=ids).start_logits, expected)
    assert not torch.equal(*weights)
    torch.testing.assert_close(*weights, atol=1e-2, rtol=0)


@pytest.mark.parametrize(("lengths", "longest", "padded"), [((3, 33), 384, 64), ((64,), 384, 64), ((90,), 90, 90)])
def test_batches_have_few_lengths_and_none_above_the_longest_row(lengths, longest, padded):
    names = ("start_targets", "end_targets")
    rows = [
        {"length": n, "input_ids": [5] * n, "token_type_ids": [0] * n} | dict.fromkeys(names, np.ones(n, np.float32))
        for n in lengths
    ]
    batch = collate(rows, longest)
    assert {tensor.shape for tensor in batch.values()} == {(len(rows), padded)}
    assert batch["attention_mask"].sum(-1).tolist() == list(lengths)


FREED = """
import psutil, torch
from training.network import processor

def kept():
    \"""Return how much of a freed tensor of 64 MiB the process still has (bytes).\"""
    process = psutil.Process()
    before = process.memory_info().rss
    torch.ones(16 << 20)
    return process.memory_info().rss - before

print(kept())
processor.keep_freed_memory()
print(kept())
"""


def test_freed_memory_stays_with_the_process():
    result = subprocess.run([sys.executable, "-c", FREED], cwd=ROOT, capture_output=True, text=True, check=True)
    returned, kept = map(int, result.stdout.split())
    assert returned < 16 << 20
    assert kept > 48 << 20
