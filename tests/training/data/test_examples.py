from dataclasses import replace

import pytest

from training import data
from training.errors import DataError


def examples(source, titles):
    return [data.Example(f"{source}-{i}", "q", f"context {i}", (), title, source) for i, title in enumerate(titles)]


def test_held_out_articles_are_on_one_side_only_and_stay_when_data_grows():
    few = examples("a", [f"title {i % 40}" for i in range(400)])
    train, dev = data.hold_out(few, 0.2, seed=1)
    assert len(train) + len(dev) == 400
    assert 0.05 < len(dev) / 400 < 0.4
    assert not {e.title for e in train} & {e.title for e in dev}
    more = few + examples("b", [f"title {i}" for i in range(50)])
    assert [e for e in data.hold_out(more, 0.2, seed=1)[1] if e.source == "a"] == dev
    assert data.hold_out(few, 0.2, seed=2)[1] != dev


def test_a_source_of_one_article_is_held_out_by_paragraph():
    train, dev = data.hold_out(examples("reddit", ["same"] * 300), 0.2, seed=1)
    assert train
    assert dev


def test_the_same_context_under_two_titles_is_on_one_side():
    twins = [replace(e, title=f"other {i}", id=f"b{i}") for i, e in enumerate(examples("a", ["t"] * 60))]
    train, dev = data.hold_out(examples("a", [f"title {i}" for i in range(60)]) + twins, 0.3, seed=1)
    assert train
    assert dev
    assert not {e.context for e in train} & {e.context for e in dev}


def test_drawn_examples_keep_their_order_and_follow_the_seed():
    all_of_them = examples("a", ["t"] * 50)
    drawn = data.draw(all_of_them, 20, seed=1)
    assert len(drawn) == 20
    assert drawn == sorted(drawn, key=all_of_them.index)
    assert drawn == data.draw(all_of_them, 20, seed=1) != data.draw(all_of_them, 20, seed=2)
    assert data.draw(all_of_them, None, seed=1) == data.draw(all_of_them, 99, seed=1) == all_of_them


def test_a_share_of_the_drawn_examples_is_unanswerable():
    answer = (data.GoldAnswer("q", 0),)
    mixed = [replace(e, answers=answer if i % 5 else ()) for i, e in enumerate(examples("a", ["t"] * 40))]
    for share, expected in ((0, 0), (0.25, 4), (1, 8)):  # there are eight
        drawn = data.draw(mixed, 16, 1, share)
        assert (len(drawn), sum(not example.answers for example in drawn)) == (16, expected)


@pytest.mark.parametrize("titles", [["a", "b"], ["a", "b", "c"], ["only"] * 3])
@pytest.mark.parametrize("fraction", [0.001, 0.2, 0.999])
def test_neither_side_of_a_small_set_is_empty(titles, fraction):
    train, dev = data.hold_out(examples("mine", titles), fraction, seed=1)
    assert train
    assert dev


def test_a_single_paragraph_cannot_be_split():
    with pytest.raises(DataError, match="name dev_data"):
        data.hold_out(examples("mine", ["t"]), 0.5, seed=1)
