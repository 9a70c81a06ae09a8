"""`list` and `promote`, and what a service does about it."""

import json
import shutil

import httpx
import pytest

from tests.commands import training_command
from tests.servers import serve


@pytest.fixture(scope="module")
def home(tiny_store, tiny_settings, tmp_path_factory):
    """A store with two models, the second one trained while the first was in production."""
    home = tmp_path_factory.mktemp("two-models") / "bentoml"
    shutil.copytree(tiny_store, home)
    training_command("promote", "extractive-qa:latest", home=home)
    training_command("train", *tiny_settings, "--seed", "3", "--output-dir", str(home / "second"), home=home)
    return home


def entries(home):
    return json.loads(training_command("list", "--json", home=home).stdout)


def test_a_candidate_was_measured_against_the_model_in_production(home):
    newest, oldest = entries(home)
    assert any("in production" in line for line in newest["metrics"]["gate"])
    assert not any("in production" in line for line in oldest["metrics"]["gate"])


def test_the_label_moves_and_the_service_follows_it(home, tiny_model, tmp_path):
    newest, oldest = entries(home)
    assert oldest["tag"] == f"extractive-qa:{tiny_model.name}"
    assert [newest["stage"], oldest["stage"]] == ["", "production"]
    assert served_by(home, tmp_path / "first") == oldest["tag"]

    done = training_command("promote", newest["tag"], home=home)
    assert done.stdout == f"{newest['tag']}\n"
    assert [entry["stage"] for entry in entries(home)] == ["production", ""]
    assert served_by(home, tmp_path / "second") == newest["tag"]


def served_by(home, log):
    log.mkdir()
    with serve(home, log) as server:
        return httpx.get(f"{server.url}/health", timeout=30).json()["model"]["tag"]


def test_the_list_is_a_table_for_a_person(home):
    head, *rows = training_command("list", home=home).stdout.splitlines()
    assert head.split() == ["tag", "created", "stage", "exact", "match", "F1", "trained", "on"]
    assert len(rows) == 2
    assert all("32 questions of sample" in row for row in rows)


def test_an_unknown_or_damaged_model_is_not_promoted(home, tmp_path):
    unknown = training_command("promote", "extractive-qa:nosuch", home=home, check=False)
    assert unknown.returncode == 6
    assert "no model extractive-qa:nosuch" in unknown.stderr

    damaged = tmp_path / "bentoml"
    shutil.copytree(home, damaged)
    tag = entries(damaged)[1]["tag"]
    with (damaged / "models" / tag.replace(":", "/") / "reader.json").open("a") as stream:
        stream.write(" ")
    refused = training_command("promote", tag, home=damaged, check=False)
    assert refused.returncode == 6
    assert "reader.json has changed" in refused.stderr

    (damaged / "models" / tag.replace(":", "/") / "metrics.json").write_text("{")
    assert [bool(entry["metrics"]) for entry in entries(damaged)] == [True, False]


def test_an_empty_store_says_what_to_do(tmp_path):
    assert "training train" in training_command("list", home=tmp_path).stderr


def test_old_models_leave_but_never_the_one_in_production(home, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    newest, oldest = (entry["tag"] for entry in entries(copy))
    training_command("promote", oldest, home=copy)
    assert training_command("prune", "--keep", "1", home=copy).stdout == ""
    training_command("promote", newest, home=copy)
    assert training_command("prune", "--keep", "1", home=copy).stdout == f"{oldest}\n"
    kept = [path.name for path in (copy / "models" / "extractive-qa-checkpoint").iterdir() if path.is_dir()]
    assert kept == [newest.partition(":")[2]]
    assert training_command("prune", "--keep", "0", home=copy, check=False).returncode == 2
