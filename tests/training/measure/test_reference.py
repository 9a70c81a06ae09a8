"""What is stored of the dev questions, and questions compared with it."""

import json
import shutil

import pytest

from bento_service import artifact, drift
from tests.commands import training_command
from tests.readings import SETTINGS, reading
from training.measure.reference import compare, reference, shuffled, values


def readings(count, odds):
    return [reading(number, odds=odds + number / count, gold="aa") for number in range(count)]


def test_a_question_has_its_lengths_once_and_its_confidence_both_ways():
    (example, read) = reading(7, odds=3, gold="aa", null=-50.0)
    features = values([(example, read)], SETTINGS)
    assert set(features) == set(drift.FEATURES)
    assert features[drift.CONTEXT_CHARACTERS] == [len("aa bb 7")]
    assert features[drift.CONFIDENCE] == [pytest.approx(0.75)]  # odds of 3 to 1
    assert features[drift.NO_ANSWER] == [0]


def test_questions_are_near_to_themselves_and_far_from_those_that_are_surer():
    own = readings(200, odds=1)
    expected = reference(own, SETTINGS)
    assert compare(expected, own, SETTINGS) == dict.fromkeys(drift.FEATURES, 0)
    surer = compare(expected, readings(200, odds=30), SETTINGS)
    assert surer[drift.CONFIDENCE] > 1
    assert surer[drift.QUESTION_CHARACTERS] == 0


def test_shuffled_words_are_the_same_words():
    example, _ = reading(7, odds=3, gold="aa")
    assert sorted(shuffled(example).context.split()) == ["7", "aa", "bb"]
    assert shuffled(example).answers == ()


def test_training_stores_what_its_dev_questions_were_like(tiny_model):
    stored = artifact.load(tiny_model)
    assert stored.reference is not None
    assert set(stored.reference) == set(drift.FEATURES)
    total = stored.metrics["served"]["overall"]["total"]
    assert {sum(distribution.counts) for distribution in stored.reference.values()} == {total}
    assert artifact.REFERENCE in (tiny_model / artifact.CHECKSUMS).read_text()


def test_the_command_compares_each_source_by_itself(tiny_store, tmp_path):
    thai, picture = tmp_path / "thai.json", tmp_path / "drift.png"
    context = "ห้องสมุดของโรงเรียนเปิดเวลาแปดโมงเช้า"
    questions = [{"id": str(i), "question": "ห้องสมุดเปิดกี่โมง", "answers": []} for i in range(30)]
    thai.write_text(json.dumps({"data": [{"title": "t", "paragraphs": [{"context": context, "qas": questions}]}]}))
    flags = ["--data", "sample:dev", str(thai), "--max-examples", "60", "--shuffled", "sample:dev"]
    done = training_command("drift", *flags, "--diagram", str(picture), home=tiny_store)
    indices = json.loads(done.stdout)["population_stability_index"]
    same, other = indices["sample:dev"], indices[str(thai)]
    assert list(indices) == ["sample:dev", str(thai), "sample:dev, words shuffled"]
    assert same[drift.UNKNOWN_TOKENS] < 0.25 < other[drift.UNKNOWN_TOKENS]
    assert same[drift.CONTEXT_CHARACTERS] < 0.25 < other[drift.CONTEXT_CHARACTERS]
    assert drift.CONFIDENCE in done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_model_of_before_is_told_to_be_trained_again(tiny_store, tiny_model, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(tiny_store / "models", home / "models")
    folder = home / "models" / "extractive-qa" / tiny_model.name
    (folder / artifact.REFERENCE).unlink()
    artifact.seal(folder)
    assert artifact.load(folder).reference is None
    done = training_command("drift", "--data", "sample:dev", home=home, check=False)
    assert done.returncode == 6
    assert "train or import it again" in done.stderr
