from concurrent.futures import ThreadPoolExecutor

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from bento_service.reading.tokenization import TextTokenizer, out_of

WAIT_S = 60


@pytest.fixture(scope="module")
def tokenizer(tokenizer_file):
    return TextTokenizer.from_file(tokenizer_file)


def test_offsets_are_code_points_of_each_text(tokenizer):
    question, context = tokenizer.encode(["who 👩‍🚀?", "👩‍🚀 Zoë flew"])
    assert question.offsets.tolist()[0] == [0, 3]
    start, end = context.offsets.tolist()[-1]
    assert "👩‍🚀 Zoë flew"[:end].endswith("w")
    assert 4 < start < end == len("👩‍🚀 Zoë flew")


def test_a_text_without_tokens(tokenizer):
    (nothing,) = tokenizer.encode([""])
    assert (len(nothing), nothing.offsets.shape) == (0, (0, 2))


def test_short_texts_do_not_wait_for_a_long_one(tokenizer):
    with ThreadPoolExecutor(1) as other:
        long = other.submit(tokenizer.encode, ["straw " * 500_000])
        for _ in range(50):  # one could be there before the long one begins
            tokenizer.encode(["where is it?", "in the straw"])
        assert not long.done()
        assert len(long.result(WAIT_S)[0]) == 500_000


def test_many_threads_tokenise_as_one_does(tokenizer):
    texts = [(f"who is number {i}?", f"number {i} is " + "Zoë, " * i) for i in range(100)]
    expected = [[tokens.ids.tolist() for tokens in tokenizer.encode(pair)] for pair in texts]
    with ThreadPoolExecutor(8) as threads:
        found = [[tokens.ids.tolist() for tokens in pair] for pair in threads.map(tokenizer.encode, texts * 3)]
    assert found == expected * 3


def test_words_are_those_of_the_tokenizer(tokenizer):
    # "unfathomable" is several tokens of one word; a comma is a word by itself.
    words, none = (tokens.words for tokens in tokenizer.encode(["An unfathomable sea,", "\ufffd"], words=True))
    assert words.tolist() == [[0, 2], [3, 15], [16, 19], [19, 20]]
    assert none.shape == (0, 2)


def test_a_word_takes_in_the_space_before_it_that_is_a_token_of_its_own():
    pieces = Tokenizer(models.BPE({"[UNK]": 0, "a": 1, "b": 2, "Ġ": 3}, []))
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    pieces.post_processor = processors.RobertaProcessing(("a", 1), ("b", 2), trim_offsets=True, add_prefix_space=False)
    (tokens,) = TextTokenizer(pieces).encode(["a bb"], words=True)
    assert tokens.offsets.tolist() == [[0, 1], [2, 2], [2, 3], [3, 4]]
    assert tokens.words.tolist() == [[0, 1], [1, 4]]
    # An answer "a " ends in the second word, an answer "a" does not.
    assert (out_of(tokens.words, 0, 2), out_of(tokens.words, 0, 1)) == ((0, 4), (0, 1))


def test_control_characters_separate_words_and_keep_offsets(tokenizer):
    apart, joined = tokenizer.encode(["Hedda Lind\fMembership\u200bis", "Hedda Lind Membership is"])
    assert apart.ids.tolist() == joined.ids.tolist()
    assert apart.offsets.tolist() == joined.offsets.tolist()
