"""The embedded sample keeps its promises: spans, variety, size."""

import json
import re
import unicodedata
from collections import Counter

import pytest

from training import data

PARTS = ("train", "dev")


def paragraphs(part):
    articles = json.loads((data.SAMPLE_FOLDER / f"{part}.json").read_text(encoding="utf-8"))["data"]
    return [paragraph for article in articles for paragraph in article["paragraphs"]]


@pytest.fixture(scope="module", params=PARTS)
def part(request):
    return paragraphs(request.param)


def questions(of):
    return [qa for paragraph in of for qa in paragraph["qas"]]


def test_every_answer_stands_where_it_is_said_to(part):
    for paragraph in part:
        for qa in paragraph["qas"]:
            assert bool(qa["answers"]) != qa["is_impossible"], qa["id"]
            for answer in qa["answers"]:
                start = answer["answer_start"]
                assert paragraph["context"][start : start + len(answer["text"])] == answer["text"], qa["id"]
                assert answer["text"] == answer["text"].strip(), qa["id"]


def test_a_fair_share_cannot_be_answered(part):
    impossible = sum(qa["is_impossible"] for qa in questions(part))
    assert 0.15 <= impossible / len(questions(part)) <= 0.4


def test_no_paragraph_and_no_question_id_is_in_both_parts():
    train, dev = map(paragraphs, PARTS)
    assert not {p["context"] for p in train} & {p["context"] for p in dev}
    ids = [qa["id"] for qa in questions(train + dev)]
    assert len(ids) == len(set(ids))


def test_there_are_enough_paragraphs_subjects_and_questions():
    both = [paragraph for name in PARTS for paragraph in paragraphs(name)]
    assert len(both) >= 60
    assert len({example.title for example in data.load([data.SAMPLE])}) >= 40
    assert len(questions(both)) >= 300


@pytest.mark.parametrize("kind", ["who", "when", "where", "how many", "how much", "why", "which", "what"])
def test_questions_of_every_kind_are_in_both_parts(part, kind):
    assert sum(bool(re.search(rf"\b{kind}\b", qa["question"].lower())) for qa in questions(part)) >= 3


def test_several_annotators_answer_many_questions(part):
    assert sum(len(qa["answers"]) > 1 for qa in questions(part)) >= 20


def test_one_passage_is_longer_than_a_thousand_words():
    assert max(len(paragraph["context"].split()) for paragraph in paragraphs("train")) > 1000


def test_text_is_as_varied_as_users_texts_are(part):
    text = "".join(paragraph["context"] for paragraph in part)
    scripts = Counter(unicodedata.name(c, "").split()[0] for c in text if c.isalpha())
    assert sum(scripts[name] > 0 for name in ("CYRILLIC", "GREEK", "ARABIC", "CJK", "HIRAGANA", "KATAKANA")) >= 3
    assert any(unicodedata.combining(c) for c in text)
    assert any(unicodedata.category(c) == "So" for c in text)
    # Emoji of several code points: joined, with a variation selector, with a skin tone, or a flag.
    assert re.search("[\u200d\ufe0f\U0001f3fb-\U0001f3ff\U0001f1e6-\U0001f1ff]", text)
    for wanted in ("“", "«", "—", "\n", "\t", "€"):
        assert wanted in text


def test_the_readme_question_is_not_in_the_training_data():
    assert not any("capital of france" in e.question.lower() for e in data.load([data.SAMPLE]))
