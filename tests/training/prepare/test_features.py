import numpy as np
import pytest
from tokenizers import Tokenizer

from bento_service.reading.tokenization import TextTokenizer
from training import data
from training.data import Example, GoldAnswer
from training.errors import DataError
from training.network.train import collate
from training.prepare import features
from training.prepare.labels import Label, key


@pytest.fixture(scope="module")
def tokenizer(tokenizer_file):
    return TextTokenizer.from_file(tokenizer_file)


@pytest.fixture(scope="module")
def decoder(tokenizer_file):
    return Tokenizer.from_file(str(tokenizer_file))


def rows_of(tokenizer, context, *answers, max_length=384, doc_stride=128):
    results = tuple(GoldAnswer(text, context.index(text)) for text in answers)
    example = Example("1", "Who?", context, results, "T", "s")
    return features.build([example], tokenizer, max_length=max_length, doc_stride=doc_stride)


def shares(row):
    """The targets above 0 by token, start and end."""
    return tuple(
        {int(i): pytest.approx(float(row[name][i]), abs=1e-5) for i in row[name].nonzero()[0]}
        for name in ("start_targets", "end_targets")
    )


def test_positions_are_the_answers_first_and_last_token(tokenizer):
    # [CLS] who ? [SEP] ada love ##lace wrote it [SEP]
    (row,) = rows_of(tokenizer, "Ada Lovelace wrote it", "Ada Lovelace", "Lovelace")
    assert row["length"] == 10
    assert shares(row) == ({4: 0.5, 5: 0.5}, {6: 1})


def test_a_window_that_cuts_the_answer_says_no_answer_here(tokenizer, decoder):
    context = "straw " * 60 + "needle eye " + "straw " * 60
    rows = rows_of(tokenizer, context, "needle eye", max_length=64, doc_stride=16)
    spans = [(row["start_targets"].argmax(), row["end_targets"].argmax()) for row in rows]
    assert (0, 0) in spans
    for row, (start, end) in zip(rows, spans, strict=True):
        if (start, end) != (0, 0):
            assert decoder.decode(row["input_ids"][start : end + 1]) == "needle eye"
    assert any(span != (0, 0) for span in spans)


def test_an_unanswerable_question_points_at_position_0(tokenizer):
    (row,) = rows_of(tokenizer, "Ada wrote it")
    assert shares(row) == ({0: 1}, {0: 1})


def test_a_question_too_long_for_a_window_is_left_out_and_counted(tokenizer, caplog):
    examples = [Example("1", "why " * 100, "because", (), "T", "s"), Example("2", "why", "because", (), "T", "s")]
    assert len(features.build(examples, tokenizer, max_length=64, doc_stride=16)) == 1
    assert "1 questions left out" in caplog.text


def test_data_of_which_no_question_fits_is_refused(tokenizer):
    example = Example("1", "why " * 100, "because", (), "T", "s")
    with pytest.raises(DataError, match="no question fits into a window of 64 tokens; raise --max-length"):
        features.build([example], tokenizer, max_length=64, doc_stride=16)


def test_every_answer_of_the_sample_is_covered_by_its_tokens(tokenizer):
    examples = [example for example in data.load([data.SAMPLE]) if example.answers]
    rows = features.build(examples, tokenizer, max_length=384, doc_stride=128)
    without = sum(row["start_targets"][0] for row in rows)
    assert without <= sum(row["length"] == 384 for row in rows)


def test_targets_share_one_unit_between_the_annotators(tokenizer):
    # [CLS] who ? [SEP] ada love ##lace wrote it [SEP]: two of three annotators start at token 4, one at token 5.
    (row,) = rows_of(tokenizer, "Ada Lovelace wrote it", "Ada Lovelace", "Ada Lovelace", "Lovelace")
    assert shares(row) == ({4: 2 / 3, 5: 1 / 3}, {6: 1})


def test_rows_are_padded_to_the_longest():
    long, short = (
        {
            "input_ids": [1] * length,
            "token_type_ids": [1] * length,
            "length": length,
            "start_targets": np.full(length, 1 / length, np.float32),
            "end_targets": np.eye(length, dtype=np.float32)[0],
        }
        for length in (4, 2)
    )
    batch = collate([long, short], longest=4)
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert batch["start_targets"].tolist() == [[0.25] * 4, [0.5, 0.5, 0, 0]]
    assert batch["end_targets"].tolist() == [[1, 0, 0, 0], [1, 0, 0, 0]]


def test_a_label_leaves_the_annotators_their_share_of_the_targets(tokenizer):
    # [CLS] who ? [SEP] ada love ##lace wrote it [SEP]
    context = "Ada Lovelace wrote it"
    example = Example("1", "Who?", context, (GoldAnswer("Ada Lovelace", 0),), "T", "s")
    # Inside "Lovelace": another tokenizer may cut it in three. The fifth that is missing is "no answer".
    label = Label(starts=((0, 0.5), (8, 0.25)), ends=((12, 0.8), (17, 0.2)))
    (row,) = features.build(
        [example], tokenizer, max_length=384, doc_stride=128, labels={key(example): label}, label_weight=0.4
    )
    assert shares(row) == ({0: 0.1, 4: 0.8, 6: 0.1}, {6: 0.92, 7: 0.08})


def test_what_a_label_says_of_another_window_is_no_answer_here(tokenizer, decoder):
    context = "straw " * 60 + "needle " + "straw " * 60
    example = Example("1", "Who?", context, (), "T", "s")
    label = Label(starts=((360, 1.0),), ends=((366, 1.0),))
    rows = features.build(
        [example], tokenizer, max_length=64, doc_stride=16, labels={key(example): label}, label_weight=1
    )
    results = [shares(row) for row in rows]
    assert ({0: 1}, {0: 1}) in results
    for row, (starts, ends) in zip(rows, results, strict=True):
        assert starts == ends
        assert starts == {0: 1} or decoder.decode([row["input_ids"][next(iter(starts))]]) == "needle"
    assert any(0 not in starts for starts, _ in results)
