import random

import pytest

from training.data import Example, GoldAnswer
from training.measure.metrics import normalise
from training.prepare.negatives import Kind, construct, negated, opposite, without_answer

KINDS: tuple[Kind, ...] = ("elsewhere", "removed", "changed")


def example(question, context, *answers, number=0, source="s"):
    golds = tuple(GoldAnswer(text, context.index(text)) for text in answers)
    return Example(str(number), question, context, golds, "title", source)


BAKERY = "Ada opened the bakery in Cork. It moved to Dublin in 1999! The oven had cracked by then, said Ada."


def test_the_sentence_of_the_answer_is_cut_out():
    negative = without_answer(example("Where did the bakery move?", BAKERY, "Dublin", "Dublin in 1999"))
    assert negative is not None
    assert negative.context == "Ada opened the bakery in Cork. The oven had cracked by then, said Ada."


def test_an_answer_that_stands_twice_cannot_be_cut_out():
    assert without_answer(example("Who opened it?", BAKERY, "Ada")) is None


def test_a_passage_of_one_sentence_is_no_passage_without_it():
    assert without_answer(example("Where?", "The bakery is in Cork.", "Cork")) is None


def passages():
    return [
        example(
            "When did the Harbour Bakery move?", BAKERY.replace("the bakery", "the Harbour Bakery"), "1999", number=1
        ),
        example(
            "What did the Harbour Bakery sell?",
            "For years the Harbour Bakery sold loaves by the sea.",
            "loaves",
            number=2,
        ),
        example(
            "Who sails from Galway to Oslo?",
            "Every spring Olav Berg sails from Galway to Oslo. The ship is old and the wind is cold, he says.",
            "Olav Berg",
            number=3,
        ),
        example(
            "How high is Mount Rainier?",
            "In July they climbed Mount Rainier with two guides. It has 4,392 m. Nobody else was on it.",
            "4,392 m",
            number=4,
        ),
        example(
            "Where is the market?", "Since last year the market of 1850 stands on a new square.", "new square", number=5
        ),
    ]


def test_every_kind_is_constructed_and_none_holds_the_answer():
    examples = passages()
    by_id = {e.id: e for e in examples}
    constructed = construct(examples, 99, 3, KINDS)
    assert {e.id.split("-")[1] for e in constructed} == {"elsewhere", "removed", "changed"}
    for negative in constructed:
        number, kind = negative.id.split("-")
        origin = by_id[number]
        assert negative.answers == ()
        if kind == "changed":
            assert negative.context == origin.context
            assert negative.question != origin.question
        else:
            assert negative.question == origin.question
            assert all(normalise(answer.text) not in normalise(negative.context) for answer in origin.answers)


def test_the_passage_elsewhere_shares_the_questions_rare_words():
    constructed = construct(passages(), 99, 3, KINDS)
    elsewhere = [negative for negative in constructed if negative.id.endswith("elsewhere")]
    assert elsewhere
    assert all("Harbour" in negative.context for negative in elsewhere if "Harbour" in negative.question)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_no_more_than_asked_for_and_the_same_for_the_same_seed(count):
    constructed = construct(passages(), count, 3, KINDS)
    assert len(constructed) == count
    assert constructed == construct(passages(), count, 3, KINDS)


def test_unanswerable_questions_and_an_empty_list_give_nothing():
    impossible = Example("1", "Why?", BAKERY, (), "t", "s")
    assert construct([impossible], 5, 1, KINDS) == construct([], 5, 1, KINDS) == []


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Where did the bakery move?", "Where didn't the bakery move?"),
        ("What was in the oven?", "What wasn't in the oven?"),
        ("Who didn't open it?", "Who did open it?"),
        ("Who was never there?", "Who was there?"),
        ("Who opened the bakery?", None),
    ],
)
def test_a_question_is_negated(question, expected):
    negative = negated(example(question, BAKERY, "Dublin"))
    assert (negative and negative.question) == expected


def test_a_word_becomes_its_opposite_unless_the_passage_has_that_too():
    question = "What did the first owner buy?"
    context = "The first owner bought an oven."
    negative = opposite(example(question, context, "oven"), random.Random(1))
    assert negative is not None
    assert negative.question in {"What did the last owner buy?", "What did the first owner sell?"}
    assert opposite(example("Who was first?", f"{context} The last bought it.", "owner"), random.Random(1)) is None


def test_a_number_becomes_one_near_it_and_a_name_another_of_the_passage():
    numbered = example("Who moved to Dublin in 1999?", BAKERY, "Ada")
    (changed,) = construct([numbered], 1, 3, ["changed"])
    assert changed.context == BAKERY
    number = int(changed.question.removeprefix("Who moved to Dublin in ").removesuffix("?"))
    assert number in set(range(1989, 2010)) - {1999}
    named = example("When was the bakery in Cork opened?", "It was opened in 1980 in Cork. It moved to Dublin.", "1980")
    (changed,) = construct([named], 1, 3, ["changed"])
    assert changed.question == "When was the bakery in Dublin opened?"


@pytest.mark.parametrize("seed", range(12))
def test_a_small_number_becomes_another_too(seed):
    question = "What is behind gate 0?"
    (changed,) = construct([example(question, "Behind it is a garden.", "garden")], 1, seed, ["changed"])
    assert changed.question != question
    assert "-" not in changed.question


def test_no_kind_outweighs_the_others_where_all_are_possible():
    rivers = [
        example(f"Where did {n} boats leave first?", f"{n} boats left from quay {n}q.", f"quay {n}q", number=n)
        for n in range(20, 50)
    ]
    kinds = [negative.id.split("-")[1] for negative in construct(rivers, 30, 3, ["changed", "negated", "opposite"])]
    assert {kind: kinds.count(kind) for kind in kinds} == {"changed": 10, "negated": 10, "opposite": 10}
