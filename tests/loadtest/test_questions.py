import json

import pytest

from loadtest import questions
from loadtest.questions import SAMPLE, Question


def test_the_embedded_sample_has_what_is_asked_for():
    drawn = questions.load(SAMPLE, count=50)
    assert len(set(drawn)) == 50
    assert drawn == questions.load(SAMPLE, count=50)


def test_a_body_is_the_contracts():
    assert json.loads(Question("Wer?", "Zoë 👍").body) == {"question": "Wer?", "context": "Zoë 👍"}


@pytest.mark.parametrize("length", [1, 100, 30_000])
def test_a_context_has_the_length_asked_for(length):
    assert len(questions.of_length(questions.load(SAMPLE, count=5), length).context) == length


@pytest.mark.parametrize("content", ["{", "[]", '{"data": [{}]}', '{"data": []}'])
def test_what_is_not_squad_json_is_named(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"mine\.json"):
        questions.load([path], count=5)
