"""Our answers are those of the pipeline that transformers 5.3 removed, but for a few documented differences.

Both read the same checkpoints in full precision: the default model, and a small random network of every family.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from bento_service import artifact
from bento_service.pipelines import QuestionAnsweringPipeline
from bento_service.reading.reader import Query
from bento_service.reading.tokenization import TextTokenizer
from bento_service.reading.words import separate_words
from tests.agreement import baseline as baselines
from tests.agreement import differences, vocabularies
from tests.agreement.texts import TEXTS
from tests.commands import ROOT, training_command
from tests.training import networks
from training import candidate, config, data, importing, store
from training.export.graph import calibration_rows
from training.measure import metrics
from training.network import base
from training.network.checkpoint import find
from training.network.train import fine_tune

pytestmark = [pytest.mark.agreement, pytest.mark.timeout(1800)]

QUESTIONS = 500
OPTIONS: tuple[dict[str, Any], ...] = (
    {"handle_impossible_answer": True},
    {"top_k": 3},
    {"align_to_words": False},
    {"max_seq_len": 96, "doc_stride": 24},
)
"""Beside the defaults; for a part of the texts."""
PART = 3
LEAST_INT8_F1 = 0.6
"""Of random networks, whose best answers are hardly better than their next ones."""
EPOCHS = 12
PIPELINE = """
import json, sys
from bento_service import pipeline
qa = pipeline("question-answering", model=sys.argv[1])
print(json.dumps([qa(**query) for query in json.load(sys.stdin)]))
"""


@pytest.fixture(scope="module")
def baseline():
    with baselines.running() as running:
        yield running


def queries_of(pairs):
    """Ask each pair by the defaults, and every third with one of OPTIONS."""
    pairs = list(pairs)
    asked = [{"question": question, "context": context} for question, context in pairs]
    return asked + [query | OPTIONS[i % len(OPTIONS)] for i, query in enumerate(asked[::PART])]


def compare(name, queries, ours, theirs, settings):
    """Print how many answers of a network are of which kind, and fail on one that is of none."""
    kinds: Counter[str] = Counter()
    unknown = []
    for query, our, their in zip(queries, ours, theirs, strict=True):
        options = {option: query[option] for option in ("doc_stride", "handle_impossible_answer") if option in query}
        rows = our if isinstance(our, list) else [our]
        asked = differences.Asked(separated(query)["context"], settings, **options)
        kind = differences.explain(asked, rows, their)
        if kind == differences.SAME and separated(query) != query:
            kind = differences.SEPARATED
        kinds[str(kind)] += 1
        if kind is None:
            unknown.append((query, rows, their["answers"]))
    print(f"\n{name}: {len(queries)} answers; " + ", ".join(f"{kind} {count}" for kind, count in kinds.most_common()))
    assert not unknown, f"{len(unknown)} of {len(queries)} answers of {name} differ for no known reason: {unknown[:3]}"


def separated(query):
    """Return the query as a tokenizer is given it here: control characters separate words."""
    return query | {name: separate_words(query[name]) for name in ("question", "context")}


@pytest.mark.parametrize("family", networks.CONFIGS)
def test_a_small_network_of_every_family(family, tmp_path, baseline):
    folder = networks.write(family, tmp_path / family, vocabularies.tokenizer(family))
    checkpoint = find(str(folder), tmp_path)
    served = tmp_path / "served"
    settings = importing.reader_settings(checkpoint.positions)
    candidate.write_served(checkpoint.load(), checkpoint.tokenizer, served, settings, {}, [], precision="float32")
    qa = QuestionAnsweringPipeline(artifact.load(served).reader())
    queries = queries_of(TEXTS)
    theirs = baseline.ask(folder, [separated(query) for query in queries])
    compare(family, queries, [qa(**query) for query in queries], theirs, settings)


@pytest.mark.parametrize("family", networks.CONFIGS)
def test_a_small_network_of_every_family_in_int8(family, tmp_path):
    checkpoint = find(str(networks.write(family, tmp_path / family, vocabularies.tokenizer(family))), tmp_path)
    settings = importing.reader_settings(checkpoint.positions)
    rows = calibration_rows(data.load(importing.CALIBRATION), TextTokenizer.from_file(checkpoint.tokenizer), settings)
    answers = []
    for precision in ("float32", "int8"):
        served = tmp_path / precision
        candidate.write_served(checkpoint.load(), checkpoint.tokenizer, served, settings, {}, rows, precision=precision)
        reader = artifact.load(served).reader()
        answers.append([best.text for best, *_ in reader.answer_all([Query(*pair) for pair in TEXTS])])
    f1 = fmean(metrics.f1(int8, full) for full, int8 in zip(*answers, strict=True))
    print(f"\n{family}: int8 says {100 * f1:.1f} % of what full precision says (F1)")
    assert f1 >= LEAST_INT8_F1


@pytest.mark.parametrize("family", networks.CONFIGS)
def test_a_small_network_of_every_family_is_trained(family, tmp_path):
    folder = networks.write(family, tmp_path / family)
    flags = {"base_model": str(folder), "epochs": EPOCHS, "learning_rate": 0.01, "batch_size": 4}
    settings = config.load(None, flags | {"output_dir": tmp_path / "run"})
    examples = data.load(["sample:dev"])[:8]
    tokenizer = TextTokenizer.from_file(folder / "tokenizer.json")
    unmeasured = {"exact_match": 0.0, "f1": 0.0}
    _, epochs = fine_tune(settings, base.find(str(folder)), tokenizer, examples, lambda _: unmeasured)
    first, last = epochs[0]["loss"], epochs[-1]["loss"]
    print(f"\n{family}: training loss {first:.2f} in epoch 1, {last:.2f} in epoch {EPOCHS}")
    assert last < first / 2


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> tuple[Path, str, Path]:
    """The checkpoint of the stored model, and where it was imported to in full precision: the store and its tag."""
    home = tmp_path_factory.mktemp("imported")
    checkpoint = store.checkpoint_of(store.find("extractive-qa:latest")[0])
    done = training_command("import", str(checkpoint), "--precision", "float32", home=home, timeout=1200)
    return checkpoint, done.stdout.strip(), home


def test_the_stored_model_on_questions_of_the_sample(imported, baseline):
    checkpoint, tag, home = imported
    examples = data.draw(data.load(["sample"]), QUESTIONS, seed=17)
    queries = queries_of((example.question, example.context) for example in examples)
    done = subprocess.run(
        [sys.executable, "-c", PIPELINE, tag],
        cwd=ROOT,
        env=os.environ | {"BENTOML_HOME": str(home)},
        input=json.dumps(queries),
        capture_output=True,
        text=True,
        check=True,
    )
    folder = home / "models" / tag.replace(":", "/")
    settings = artifact.load(folder).settings
    theirs = baseline.ask(checkpoint, [separated(query) for query in queries])
    compare("the stored model", queries, json.loads(done.stdout), theirs, settings)
