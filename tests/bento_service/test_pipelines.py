"""The removed pipeline's call, answered by the tiny stored model."""

import json
import os
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import pytest

from bento_service import artifact, pipelines
from bento_service.errors import ArtifactError, QuestionTooLong, UnusableWindow
from bento_service.reading.reader import Query
from tests.commands import ROOT

QUESTION = "Who keeps the lighthouse?"
CONTEXT = "Ada Okonkwo keeps the unfathomable lighthouse at Skerryvore. She has two goats."
LONG = " ".join(f"Keeper {i} keeps lighthouse {i}." for i in range(200))


@pytest.fixture(scope="module")
def qa(tiny_model):
    return pipelines.QuestionAnsweringPipeline(artifact.load(tiny_model).reader())


def test_one_question_has_one_result(qa):
    result = qa(question=QUESTION, context=CONTEXT)
    assert list(result) == ["score", "start", "end", "answer"]
    assert 0 <= result["score"] <= 1
    assert CONTEXT[result["start"] : result["end"]] == result["answer"]


def test_every_way_to_ask_one_question_gives_the_same(qa):
    asked = {"question": QUESTION, "context": CONTEXT}
    results = [qa(asked), qa([asked]), qa(QUESTION, CONTEXT), qa(question=[QUESTION], context=[CONTEXT]), qa(**asked)]
    assert results == [results[0]] * 5


def test_several_questions_have_a_list_of_results(qa):
    others = ["What has she?", QUESTION]
    on_one = qa(question=others, context=CONTEXT)
    assert on_one == qa(question=others, context=[CONTEXT, CONTEXT])
    assert on_one == [qa(question=question, context=CONTEXT) for question in others]
    asked = [{"question": question, "context": CONTEXT} for question in others]
    assert on_one == qa(asked) == qa(*asked)
    assert qa([]) == []


def test_a_generator_is_answered_as_it_is_read(qa):
    taken = []

    def ask():
        for i in range(3):
            taken.append(i)
            yield {"question": QUESTION, "context": CONTEXT}

    results = qa(ask())
    assert isinstance(results, types.GeneratorType)
    assert next(results) == qa(question=QUESTION, context=CONTEXT)
    assert taken == [0]
    assert len(list(results)) == 2


def test_top_k_gives_a_list_where_there_are_several(qa):
    three = qa(question=QUESTION, context=CONTEXT, top_k=3)
    assert len(three) == 3
    assert three[0] == qa(question=QUESTION, context=CONTEXT)
    assert isinstance(qa(question=QUESTION, context="Ada", top_k=3), dict)
    assert [len(rows) for rows in qa(question=[QUESTION] * 2, context=CONTEXT, top_k=2)] == [2, 2]


def test_no_answer_only_where_it_is_allowed(qa):
    always = qa.reader.settings.model_copy(update={"null_shift": 1e6})
    never_sure = pipelines.QuestionAnsweringPipeline(qa.reader)
    settings, qa.reader.settings = qa.reader.settings, always
    try:
        assert never_sure(question=QUESTION, context=CONTEXT)["answer"]
        nothing = never_sure(question=QUESTION, context=CONTEXT, handle_impossible_answer=True)
    finally:
        qa.reader.settings = settings
    assert (nothing["answer"], nothing["start"], nothing["end"]) == ("", 0, 0)


def test_answers_are_of_whole_words_unless_told(qa):
    words = {"unfathomable", "Skerryvore", "Okonkwo"}
    pieces = qa(question=QUESTION, context=CONTEXT, top_k=20, max_answer_len=1, align_to_words=False)
    whole = qa(question=QUESTION, context=CONTEXT, top_k=20, max_answer_len=1)
    assert words & {row["answer"] for row in whole} == words
    assert not words & {row["answer"] for row in pieces}


def test_defaults_are_those_of_the_removed_pipeline(qa, monkeypatch):
    asked: list[Query] = []
    answer_all = qa.reader.answer_all

    def watched(queries):
        asked.extend(queries)
        return answer_all(queries)

    monkeypatch.setattr(qa.reader, "answer_all", watched)
    qa(question=QUESTION, context=LONG)
    qa(question=QUESTION, context=LONG, max_seq_len=64, max_answer_len=3, doc_stride=8)
    assert asked[0] == Query(QUESTION, LONG, max_answer_length=15, max_length=384, doc_stride=128, align_to="pretokens")
    assert (asked[1].max_length, asked[1].doc_stride, asked[1].max_answer_length) == (64, 8, 3)


def test_parameters_of_the_pipeline_are_defaults_of_its_calls(tiny_store, monkeypatch):
    code = f"""
import json, sys
import bento_service
assert "bentoml" not in sys.modules, "loaded by the import"
from bento_service import pipeline
qa = pipeline("question-answering", model="extractive-qa:latest", top_k=2)
both = qa(question={QUESTION!r}, context={CONTEXT!r})
one = qa(question={QUESTION!r}, context={CONTEXT!r}, top_k=1)
print(json.dumps([both, one, sorted({{"torch", "transformers", "training"}} & sys.modules.keys())]))
"""
    environment = os.environ | {"BENTOML_HOME": str(tiny_store)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    both, one, heavy = json.loads(done.stdout.splitlines()[-1])
    assert both[0] == one
    assert heavy == []


def test_threads_share_it(qa):
    contexts = [f"Number {i} lives in house {7 * i}." for i in range(40)]
    alone = [qa(question="Where?", context=context) for context in contexts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda context: qa(question="Where?", context=context), contexts)) == alone


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ((), {"question": QUESTION}, "context must be given"),
        ((), {"question": "", "context": CONTEXT}, "question must be a text .* is empty"),
        ((), {"question": QUESTION, "context": None}, "context must be a text .* is NoneType"),
        ((), {"question": QUESTION, "context": [CONTEXT] * 2}, "pass the question once for each context"),
        ((), {"question": [QUESTION] * 3, "context": [CONTEXT] * 2}, "3 questions do not go with 2 contexts"),
        ((QUESTION,), {}, "not one str"),
        (([QUESTION],), {}, "each question must be"),
        (({"question": QUESTION},), {}, "context .* is missing"),
        ((), {"data": []}, "data is no parameter"),
        (({},), {"topk": 3}, "it is called top_k"),
        (({},), {"beams": 3}, "it takes top_k, handle_impossible_answer"),
        (({},), {"top_k": 0}, "top_k must be a whole number of at least 1, not 0"),
        (({},), {"max_answer_len": "3"}, "max_answer_len must be a whole number"),
    ],
)
def test_what_cannot_be_asked_is_told(qa, inputs, options, message):
    with pytest.raises(ValueError, match=message):
        qa(*inputs, **options)


def test_windows_that_the_model_cannot_read_are_told(qa):
    with pytest.raises(UnusableWindow, match=r"windows of 512 tokens .* at most 384"):
        qa(question=QUESTION, context=CONTEXT, max_seq_len=512)
    with pytest.raises(UnusableWindow, match="overlap of 200 tokens"):
        qa(question=QUESTION, context=CONTEXT, doc_stride=200)
    with pytest.raises(QuestionTooLong):
        qa(question=QUESTION * 100, context=CONTEXT)


def test_another_task_or_a_model_that_is_not_stored_is_told(tiny_store):
    with pytest.raises(ValueError, match="'summarization' is not done here"):
        pipelines.pipeline("summarization")
    with pytest.raises(ValueError, match=r"device is no parameter .* a GPU is used"):
        pipelines.pipeline("question-answering", device=0)
    with pytest.raises(ArtifactError, match="python -m training import NAME"):
        pipelines.pipeline("question-answering", model="no-such-model:latest")
    with pytest.raises(ArtifactError, match="python -m training import NAME"):
        pipelines.pipeline("question-answering", model="deepset/roberta-base-squad2")
