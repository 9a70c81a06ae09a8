import json
from typing import Any

import numpy as np
import pytest

from bento_service import artifact
from bento_service.reading.reader import Query, Reading
from bento_service.reading.tokenization import TextTokenizer
from bento_service.reading.windows import Tokens, slide
from tests.commands import training_command
from tests.readings import BERT
from training import config, data
from training.errors import DataError
from training.network import base
from training.network.train import fine_tune
from training.prepare import labels


def test_a_label_is_a_softmax_over_all_windows_with_the_least_null_score():
    context = "aa bb cc dd ee"
    tokens = Tokens(np.arange(5), np.array([[3 * i, 3 * i + 2] for i in range(5)]))
    windows = slide(Tokens(np.arange(1), np.array([[0, 1]])), tokens, BERT, max_length=8, doc_stride=2)
    assert [window.first_token for window in windows] == [0, 2]
    first, second = (np.full(len(window), -50.0, np.float32) for window in windows)
    # "cc" and "dd" stand in both windows; the later one says it is "dd", as likely as "aa" is in the first.
    first[3], second[4] = np.log(2), np.log(2)
    first[0], second[0] = np.log(4), np.log(1)
    label = labels.label(Reading(Query("?", context), windows, [(first, first), (second, second)]))
    assert label.starts == ((0, 0.4), (9, 0.4))
    assert label.ends == ((2, 0.4), (11, 0.4))


def test_a_label_file_that_was_cut_goes_on_and_another_teachers_is_refused(tiny_model, tmp_path):
    reader, path, teacher = artifact.load(tiny_model).reader(), tmp_path / "labels.jsonl", {"model": "m:1"}
    examples = data.load(["sample:dev"])[:6]
    labels.write(path, teacher, reader, examples[:4])
    whole = path.read_text().splitlines(keepends=True)
    path.write_text("".join(whole[:-1]) + whole[-1][:20])
    labels.write(path, teacher, reader, examples)
    assert path.read_text().splitlines(keepends=True)[:5] == whole
    loaded = labels.load([path])
    assert set(loaded) == {labels.key(example) for example in examples}
    for label in loaded.values():
        assert 0.5 < sum(share for _, share in label.starts) < 1.001
    with pytest.raises(DataError, match="not of this teacher"):
        labels.write(path, {"model": "m:2"}, reader, examples)


def test_a_question_of_several_teachers_has_the_mean_of_their_labels(tmp_path):
    rows: list[list[dict[str, Any]]] = [
        [{"key": "both", "starts": [[4, 0.5], [9, 0.25]], "ends": [[8, 0.5]]}, {"key": "a", "starts": [], "ends": []}],
        [{"key": "both", "starts": [[9, 1.0]], "ends": []}],
    ]
    paths = [tmp_path / "first.jsonl", tmp_path / "second.jsonl"]
    for path, lines in zip(paths, rows, strict=True):
        path.write_text("\n".join(json.dumps(line) for line in [{"teacher": {"model": path.stem}}, *lines]))
    loaded = labels.load(paths)
    assert loaded.keys() == {"both", "a"}
    assert loaded["both"] == labels.Label(((4, 0.25), (9, 0.625)), ((8, 0.25),))
    assert loaded["a"] == labels.Label((), ())


@pytest.mark.parametrize("content", [None, "", "{}", '{"teacher": {}}\n{"key": 1}', "\0"])
def test_a_file_that_holds_no_labels_is_refused_by_name(content, tmp_path):
    path = tmp_path / "labels.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=r"label file .*labels\.jsonl"):
        (labels.teacher(path), labels.load([path]))


def test_the_command_labels_every_question_and_says_which_model_did(tiny_store, tiny_model, tmp_path):
    path = tmp_path / "new" / "labels.jsonl"
    tag = f"extractive-qa:{tiny_model.name}"
    training_command("label", tag, "--data", "sample:dev", "--output", str(path), home=tiny_store)
    assert labels.load([path]).keys() == {labels.key(example) for example in data.load(["sample:dev"])}
    assert labels.teacher(path)["model"] == tag


def test_labels_of_other_questions_are_refused(tiny_base, tokenizer_file, tmp_path):
    path = tmp_path / "labels.jsonl"
    settings = config.load(None, {"base_model": str(tiny_base), "labels": [path], "output_dir": tmp_path / "run"})
    loaded = {"0" * 32: labels.Label((), ())}
    with pytest.raises(DataError, match=r"no question of sample:train is labelled in .*labels\.jsonl"):
        fine_tune(
            settings,
            base.find(str(tiny_base)),
            TextTokenizer.from_file(tokenizer_file),
            data.load(["sample:train"])[:2],
            lambda _: {},
            labels=loaded,
        )
