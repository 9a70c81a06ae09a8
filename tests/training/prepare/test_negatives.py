import pytest

from training.data import Example, GoldAnswer
from training.measure.metrics import normalise
from training.prepare.negatives import construct, without_answer


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
    constructed = construct(examples, 99, seed=3)
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
    constructed = construct(passages(), 99, seed=3)
    elsewhere = [negative for negative in constructed if negative.id.endswith("elsewhere")]
    assert elsewhere
    assert all("Harbour" in negative.context for negative in elsewhere if "Harbour" in negative.question)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_no_more_than_asked_for_and_the_same_for_the_same_seed(count):
    constructed = construct(passages(), count, seed=3)
    assert len(constructed) == count
    assert constructed == construct(passages(), count, seed=3)


def test_unanswerable_questions_and_an_empty_list_give_nothing():
    impossible = Example("1", "Why?", BAKERY, (), "t", "s")
    assert construct([impossible], 5, seed=1) == construct([], 5, seed=1) == []
