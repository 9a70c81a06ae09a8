import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bento_service.errors import QuestionTooLong, UnusableArgument
from bento_service.reading.engines import OnnxEngine
from bento_service.reading.reader import Query, Reader, ReaderSettings
from bento_service.reading.tokenization import TextTokenizer
from bento_service.reading.unknown import IN_CONTEXT, IN_QUESTION

WAIT_S = 20
PASSAGE = "Zoë 👩‍🚀 flew 1,234.5 km — “far” —\r\n\tשלום עולם; e\u0301cole\x00 東京タワー ½ 👍🏽. "


@pytest.fixture(scope="module")
def tokenizer(tokenizer_file):
    return TextTokenizer.from_file(tokenizer_file)


@pytest.fixture(scope="module")
def reader(tokenizer, tiny_model):
    return Reader(tokenizer, OnnxEngine(tiny_model / "model.onnx", threads=1), ReaderSettings())


class PointingEngine:
    """Hand-made logits: greatest at every occurrence of one token id, so the right span is known beforehand."""

    workers = 1

    def __init__(self, token_id: int, *, batch_size: int, null: float = 0.0) -> None:
        self.batch_size = batch_size
        self._token_id, self._null = token_id, null
        self.shapes: list[tuple[int, ...]] = []

    def run(self, input_ids, attention_mask, token_type_ids, *, alone=False):
        self.shapes.append(input_ids.shape)
        logits = np.where((input_ids == self._token_id) & (token_type_ids == 1), 5.0, -5.0).astype(np.float32)
        logits[:, 0] = self._null
        return logits, logits


def pointing(tokenizer, word, *, batch_size=1, null=0.0, **values):
    ((token_id,),) = (tokens.ids for tokens in tokenizer.encode([word]))
    engine = PointingEngine(token_id, batch_size=batch_size, null=null)
    return Reader(tokenizer, engine, ReaderSettings(**values)), engine


def test_finds_the_word_far_behind_the_first_window(tokenizer):
    reader, engine = pointing(tokenizer, "needle")
    context = "straw " * 900 + "needle " + "straw " * 300
    (answer,) = reader.answer(Query("where is it?", context))
    assert (answer.text, answer.start, answer.end) == ("needle", 5400, 5406)
    assert len(engine.shapes) > 3


def test_the_steps_of_a_server_give_what_answer_all_gives(tokenizer):
    reader, _ = pointing(tokenizer, "needle")
    queries = [Query("where is it?", "straw needle"), Query("where?", "needle " + "straw " * 900)]
    prepared = reader.prepare(queries)
    read = reader.submit(prepared).result(WAIT_S)
    assert reader.postprocess(prepared, read.logits) == reader.answer_all(queries)
    assert reader.answer_all([]) == []


def test_unknown_tokens_are_a_share_of_the_question_and_its_contexts(tokenizer):
    reader, _ = pointing(tokenizer, "needle")
    queries = [Query("where ?", ["straw needle", "\ud7a4 \ud7a4"]), Query("where ?", "straw"), Query("?", "\ud7a4")]
    assert reader.prepare(queries).unknown_shares == [2 / 6, 0, 1 / 2]


def test_offsets_count_code_points_behind_emoji(tokenizer):
    reader, _ = pointing(tokenizer, "needle")
    (answer,) = reader.answer(Query("where?", "👩‍🚀👍🏽 needle"))
    assert (answer.text, answer.start, answer.end) == ("needle", 6, 12)


@pytest.mark.parametrize(("null", "text"), [(3.0, "needle"), (7.0, "")])
def test_no_answer_when_that_is_more_probable_than_the_best_answer(tokenizer, null, text):
    # "needle" scores 5 + 5 = 10, the null score is 2 * null: 6 or 14.
    reader, _ = pointing(tokenizer, "needle", null=null)
    (answer,) = reader.answer(Query("where?", "straw needle", allow_no_answer=True))
    assert answer.text == text
    assert answer.confidence > 0.9
    (forced,) = reader.answer(Query("where?", "straw needle"))
    assert forced.text == "needle"


def test_confidence_counts_the_null_score_only_where_no_answer_is_allowed(tokenizer):
    # "needle" scores 10, the null score is 9; the rest is below 1e-6. Their agreeing neighbours score 0.
    reader, _ = pointing(tokenizer, "needle", null=4.5)
    (forced,) = reader.answer(Query("where?", "straw needle"))
    (allowed,) = reader.answer(Query("where?", "straw needle", allow_no_answer=True))
    assert forced.confidence == pytest.approx(1, abs=1e-3)
    assert allowed.confidence == pytest.approx(1 / (1 + math.exp(-1)), abs=1e-3)


def test_what_was_fitted_shifts_the_decision(tokenizer):
    # The log-odds are 14 - 10 = 4, less 4.5.
    reader, _ = pointing(tokenizer, "needle", null=7.0, null_shift=-4.5)
    (answer,) = reader.answer(Query("where?", "straw needle", allow_no_answer=True))
    assert (answer.text, answer.confidence) == ("needle", pytest.approx(1 / (1 + math.exp(-0.5)), abs=1e-3))


def test_no_answer_competes_with_an_answer_not_with_its_places(tokenizer):
    # Each place scores 10, the null score is 10.4: the two places say the same, and add up to more.
    reader, _ = pointing(tokenizer, "needle", null=5.2)
    twice, once = (Query("where?", text, allow_no_answer=True) for text in ("needle straw needle", "needle straw"))
    assert reader.answer(twice)[0].text == "needle"
    assert reader.answer(once)[0].text == ""


def test_a_model_stored_before_the_confidence_decided_is_read():
    before = {"temperature": 1.5, "null_score_diff_threshold": -2.9, "null_scale": 0.5}
    assert ReaderSettings.model_validate(before) == ReaderSettings(temperature=1.5, null_scale=0.5)
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        ReaderSettings.model_validate({"threshold": 1})


def test_windows_of_many_queries_share_batches_and_keep_their_order(tokenizer):
    reader, engine = pointing(tokenizer, "needle", batch_size=8)
    queries = [Query("where?", "straw " * count + "needle") for count in (700, 1, 30, 2)]
    starts = [answers[0].start for answers in reader.answer_all(queries)]
    assert starts == [4200, 6, 180, 12]
    assert engine.shapes[0][0] > 1


def test_padding_does_not_change_an_answer(tokenizer):
    alone, _ = pointing(tokenizer, "needle", batch_size=1)
    together, _ = pointing(tokenizer, "needle", batch_size=8)
    queries = [Query("where?", "straw " * count + "needle", top_k=3) for count in (1, 40)]
    assert [alone.answer(query) for query in queries] == together.answer_all(queries)


def test_a_question_longer_than_a_window_is_refused(reader):
    with pytest.raises(QuestionTooLong):
        reader.answer(Query("why " * 400, "because"))


@pytest.mark.parametrize("context", ["\x00\u200b", "🇫🇷🍜", " ... - ?!"])
def test_a_context_without_a_letter_or_digit_has_no_answer(reader, context):
    (answer,) = reader.answer(Query("what?", context, top_k=3))
    assert (answer.text, answer.start, answer.end, answer.confidence) == ("", 0, 0, 1.0)


@pytest.mark.parametrize("context", [PASSAGE, PASSAGE * 60, "a", "ab " * 30_000, "東" * 1000])
def test_every_answer_is_the_context_at_its_offsets(reader, context):
    answers = reader.answer(Query("Who flew how far?", context, top_k=20))
    assert answers
    for answer in answers:
        assert context[answer.start : answer.end] == answer.text != ""
        assert 0 < answer.confidence <= 1
    ranges = sorted((answer.start, answer.end) for answer in answers)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ranges))


@given(context=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300), top_k=st.integers(1, 5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_keeps_its_offsets(reader, context, top_k):
    for answer in reader.answer(Query("what?", context, top_k=top_k)):
        assert context[answer.start : answer.end] == answer.text
        assert 0 <= answer.confidence <= 1


def test_several_contexts_are_ranked_together(tokenizer):
    # "needle" scores 10 in two of the contexts, everything else -10.
    reader, engine = pointing(tokenizer, "needle")
    contexts = ["straw", "straw " * 500 + "needle", "needle"]
    best, *others = reader.answer(Query("where?", contexts, top_k=3))
    assert (best.text, best.passage, best.start, best.occurrences) == ("needle", 1, 3000, 2)
    assert best.confidence == pytest.approx(1, abs=1e-3)
    assert others[0].text.startswith("straw")
    assert len(engine.shapes) == 4


def test_no_answer_is_said_when_no_context_holds_one(tokenizer):
    # The null score is 14; "needle" scores 10, and the other words -10.
    reader, _ = pointing(tokenizer, "needle", null=7.0)
    (answer,) = reader.answer(Query("where?", ["straw", "needle"], allow_no_answer=True))
    assert (answer.text, answer.confidence) == ("", pytest.approx(1 / (1 + math.exp(-4)), abs=1e-3))


def test_what_the_model_cannot_read_lowers_the_confidence(tokenizer):
    # "needle" has all of the probability. The tokenizer knows no Tibetan: it makes one unknown token of a word.
    reader, _ = pointing(tokenizer, "needle")
    read, half, unread = (
        reader.answer(Query(question, context))[0]
        for question, context in (
            ("where?", "needle straw"),
            ("where?", "needle \u0f40\u0f40\u0f40 \u0f41\u0f41\u0f41"),
            ("\u0f40\u0f40?", "needle straw"),
        )
    )
    assert (read.confidence, read.warnings) == (pytest.approx(1, abs=1e-3), ())
    # Six letters of twelve.
    assert (half.confidence, half.warnings) == (pytest.approx(0.5, abs=1e-3), (IN_CONTEXT,))
    assert (unread.confidence, unread.warnings) == (0, (IN_QUESTION,))


def test_that_there_is_no_answer_is_not_sure_of_a_text_that_was_not_read(tokenizer):
    reader, _ = pointing(tokenizer, "needle", null=50.0)
    (answer,) = reader.answer(Query("where?", "\u0f40\u0f40\u0f40", allow_no_answer=True))
    assert (answer.text, answer.confidence, answer.warnings) == ("", 0, (IN_CONTEXT,))


def test_an_answer_takes_in_all_of_an_identifier_unless_told_not_to(tokenizer):
    reader, _ = pointing(tokenizer, "needle")
    context = "Write to ada@needle.example."
    assert reader.answer(Query("where?", context))[0].text == "ada@needle.example"
    assert reader.answer(Query("where?", context, align_to="characters"))[0].text == "needle"
    # What it is widened to is no end inside a character either.
    assert reader.answer(Query("where?", "In needle_x\u0323."))[0].text == "needle_x\u0323"


def test_a_query_without_a_context_says_so():
    with pytest.raises(UnusableArgument, match="no context"):
        Query("who?", [])


def test_windows_overlap_by_the_answer_length_that_is_asked_for(tokenizer):
    # 384 tokens, less 3 special ones and "where is it?" (4): 377 a window. 200 + 64 / 2 = 232 of them overlap.
    reader, _ = pointing(tokenizer, "needle")
    context = "straw " * 900
    usual, long = (
        reader.prepare([Query("where is it?", context, max_answer_length=length)]).windows for length in (None, 200)
    )
    assert [window.first_token for window in usual[:2]] == [0, 377 - 64]
    assert [window.first_token for window in long[:2]] == [0, 377 - 232]
    # With 221 tokens of a question 160 are left, of which a window moves on by 384 / 4 at least.
    (windows,) = reader.prepare([Query("why " * 221, context, max_answer_length=200)]).windows_of
    assert windows[1].first_token == 96
    # So they do where the model's own setting asks for as much.
    patient, _ = pointing(tokenizer, "needle", max_answer_length=200)
    (windows,) = patient.prepare([Query("where is it?", context)]).windows_of
    assert windows[1].first_token == 377 - 232
    # Who says how far windows overlap gets that.
    (windows,) = reader.prepare([Query("where is it?", context, max_answer_length=200, doc_stride=10)]).windows_of
    assert windows[1].first_token == 377 - 10
