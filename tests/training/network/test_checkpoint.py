"""Checkpoints as people have them: which are loaded, and what is told of the others."""

import json
import pickle
import shutil

import pytest
import torch
import transformers

from bento_service.reading.tokenization import TextTokenizer
from tests.training import networks
from training import data
from training.errors import BaseModelError
from training.network import base, checkpoint


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return networks.write("bert", tmp_path_factory.mktemp("checkpoint") / "bert")


@pytest.fixture
def copied(bert, tmp_path):
    return shutil.copytree(bert, tmp_path / "copied")


def change(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def network(folder):
    return transformers.AutoModelForQuestionAnswering.from_pretrained(folder)


def test_weights_in_shards_and_in_half_precision(bert, tmp_path):
    folder = tmp_path / "half"
    network(bert).half().save_pretrained(folder, max_shard_size="500KB")
    shutil.copy(bert / "tokenizer.json", folder)
    assert (folder / "model.safetensors.index.json").is_file()
    loaded = checkpoint.find(str(folder), tmp_path)
    assert {tensor.dtype for tensor in loaded.load().parameters()} == {torch.float32}
    assert loaded.sha256 == base.sha256_of(sorted(folder.glob("*.safetensors")))
    next(folder.glob("model-00002*")).unlink()
    with pytest.raises(BaseModelError, match=r"index\.json lists model-00002-of-\d+\.safetensors, which .* lacks"):
        checkpoint.find(str(folder), tmp_path)


def test_pickled_weights_are_loaded_as_weights(bert, copied, tmp_path):
    (copied / "model.safetensors").unlink()
    torch.save(network(bert).state_dict(), copied / "pytorch_model.bin")
    loaded = checkpoint.find(str(copied), tmp_path).load()
    assert torch.equal(loaded.get_parameter("qa_outputs.weight"), network(bert).qa_outputs.weight)


class Intruder:
    def __reduce__(self):
        return (pytest.fail, ("code of the checkpoint was run",))


def test_pickled_code_is_not_run(copied, tmp_path):
    (copied / "model.safetensors").unlink()
    (copied / "pytorch_model.bin").write_bytes(pickle.dumps({"qa_outputs.weight": Intruder()}))
    with pytest.raises(BaseModelError, match="could not be loaded"):
        checkpoint.find(str(copied), tmp_path)


def test_a_tokenizer_is_made_of_a_word_list(copied, tmp_path):
    vocabulary = networks.tokenizer("bert").get_vocab()
    (copied / "tokenizer.json").unlink()
    (copied / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=lambda word: vocabulary[word])))
    made = checkpoint.find(str(copied), tmp_path).tokenizer
    assert made.parent != copied
    expected, found = (TextTokenizer(tokenizer) for tokenizer in (networks.tokenizer("bert"), load(made)))
    assert found.special == expected.special
    assert found.encode(["Ada swims."])[0].ids.tolist() == expected.encode(["Ada swims."])[0].ids.tolist()


def test_a_tokenizer_is_made_of_merges(tmp_path):
    folder = networks.write("roberta", tmp_path / "roberta")
    (folder / "tokenizer.json").unlink()
    characters = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *"ThanswerAi42.Ġdb", "is"]
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(dict.fromkeys(characters))}))
    (folder / "merges.txt").write_text("#version: 0.2\ni s\n")
    made = TextTokenizer.from_file(checkpoint.find(str(folder), tmp_path).tokenizer)
    assert (made.special.prefix, made.special.middle, made.special.suffix) == ((0,), (2, 2), (2,))


def test_a_tokenizer_is_made_of_a_sentencepiece_model(tmp_path):
    folder = networks.write("xlm-roberta", tmp_path / "xlm-roberta")
    (folder / "tokenizer.json").unlink()
    trainer = pytest.importorskip("sentencepiece").SentencePieceTrainer
    with (folder / "sentencepiece.bpe.model").open("wb") as model:
        texts = iter(dict.fromkeys(example.context for example in data.load(["sample:train"])))
        trainer.train(
            sentence_iterator=texts, model_writer=model, vocab_size=600, hard_vocab_limit=False, minloglevel=2
        )
    made = TextTokenizer.from_file(checkpoint.find(str(folder), tmp_path).tokenizer)
    assert (made.special.prefix, made.special.middle, made.special.suffix) == ((0,), (2, 2), (2,))
    assert made.encode(["Ada swims."])[0].offsets.max() == len("Ada swims.")


def load(path):
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_pointer_of_git_lfs_is_told(copied, tmp_path, name):
    (copied / name).write_bytes(checkpoint.POINTER + b"\noid sha256:00\nsize 1\n")
    with pytest.raises(BaseModelError, match=rf"{name} is a pointer of Git LFS, .*git lfs pull"):
        checkpoint.find(str(copied), tmp_path)


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("config.json", "holds no config.json"),
        ("model.safetensors", "holds neither model.safetensors nor pytorch_model.bin"),
        ("tokenizer.json", "holds no tokenizer.json, and no vocabulary to make one of"),
    ],
)
def test_a_missing_file_is_told(copied, tmp_path, missing, told):
    (copied / missing).unlink()
    with pytest.raises(BaseModelError, match=told):
        checkpoint.find(str(copied), tmp_path)


@pytest.mark.parametrize(
    ("architecture", "told"),
    [
        ("BertForSequenceClassification", "is a BertForSequenceClassification, which classifies whole texts"),
        ("BertForMaskedLM", "fills in masked words"),
        ("BertModel", "is an encoder without a head"),
    ],
)
def test_what_is_no_span_reader_is_told_what_it_is(copied, tmp_path, architecture, told):
    change(copied, architectures=[architecture])
    with pytest.raises(BaseModelError, match=told):
        checkpoint.find(str(copied), tmp_path)


def test_an_encoder_that_does_not_say_what_it_is(copied, tmp_path, bert):
    network(bert).base_model.save_pretrained(copied)
    change(copied, architectures=None)
    with pytest.raises(BaseModelError, match=r"lacks weights of a span reader: qa_outputs\.bias, qa_outputs\.weight"):
        checkpoint.find(str(copied), tmp_path)


def test_a_tokenizer_of_another_network_is_refused(copied, tmp_path):
    small = transformers.BertConfig(**{**networks.SMALL, "vocab_size": 500})
    transformers.AutoModelForQuestionAnswering.from_config(small).save_pretrained(copied)
    with pytest.raises(BaseModelError, match="does not go with its network of 500 words"):
        checkpoint.find(str(copied), tmp_path)


@pytest.mark.parametrize(
    ("family", "positions"), [("bert", 258), ("roberta", 256), ("mpnet", 256), ("distilbert", 258)]
)
def test_positions_that_the_family_keeps_back_are_none(tmp_path, family, positions):
    folder = tmp_path / family
    made = networks.CONFIGS[family]()
    made.max_position_embeddings = 258
    model = transformers.AutoModelForQuestionAnswering.from_config(made)
    made.save_pretrained(folder)
    assert base.max_positions(folder) == positions
    ids = torch.full((1, positions), 1000)
    assert model(input_ids=ids).start_logits.shape == (1, positions)
