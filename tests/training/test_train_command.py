"""The real `python -m training` on a tiny random model."""

import contextlib
import json
import os
import subprocess
import sys
import time

import pytest
import yaml

from bento_service import artifact
from tests.commands import ROOT, training_command
from tests.training.data import files
from training import data
from training.prepare import labels


def stored_files(home):
    return sorted(str(path.relative_to(home)) for path in (home / "models").rglob("*"))


def test_a_run_prints_only_its_tag_and_stores_model_metrics_and_checkpoint(tiny_store, tiny_model):
    metrics = json.loads((tiny_model / "metrics.json").read_text())
    assert metrics["served"]["overall"]["total"] == metrics["full_precision"]["overall"]["total"] > 100
    assert "HasAns_f1" in metrics["served"]["overall"]
    (epoch,) = metrics["epochs"]
    assert epoch["epoch"] == 1
    assert epoch["loss"] > 0
    info = yaml.safe_load((tiny_model / "model.yaml").read_text())
    assert info["labels"]["task"] == "extractive-question-answering"
    assert info["metadata"]["metrics"] == metrics["served"]["overall"]
    assert info["metadata"]["data"]["sha256"]
    assert (tiny_model / "model.yaml").stat().st_size < 2_000  # every start of a server waits for it to be parsed
    checkpoint = tiny_store / "models" / "extractive-qa-checkpoint" / tiny_model.name
    assert (checkpoint / "model.safetensors").is_file()
    assert (tiny_store / "run" / "tag").read_text() == f"extractive-qa:{tiny_model.name}\n"


def test_provenance_says_what_is_needed_to_make_the_model_again_and_no_folder(tiny_model, tiny_base):
    text = (tiny_model / "provenance.json").read_text()
    provenance = json.loads(text)
    assert provenance["settings"]["epochs"] == 1
    assert provenance["data"] == {**provenance["data"], "sources": ["sample"], "questions": 32}
    assert {"python", "torch", "transformers", "onnxruntime"} <= set(provenance["versions"])
    assert str(tiny_base.parent) not in text


def test_evaluate_prints_json_on_stdout_and_a_table_on_stderr_and_draws(tiny_store, tiny_model, tmp_path):
    drawn = tmp_path / "diagram.png"
    flags = ["--data", "sample:dev", "--answerable", "--language", "es", "--diagram", str(drawn)]
    done = training_command("evaluate", *flags, home=tiny_store)
    report = json.loads(done.stdout)
    assert report["model"] == f"extractive-qa:{tiny_model.name}"
    assert set(report["overall"]) == {"exact_match", "f1", "total"}
    assert "exact match" in done.stderr
    assert report["confidence"]["total"] == report["overall"]["total"]
    assert sum(group["total"] for group in report["slices"]["question"].values()) == report["overall"]["total"]
    assert list(report["slices"]["language"]) == ["es"]
    assert len(report["misses"]) == 20
    assert drawn.read_bytes().startswith(b"\x89PNG")


def test_evaluate_writes_predictions_and_the_hardest_and_compares(tiny_store, tiny_model, tmp_path):
    files = [tmp_path / "rows.jsonl", tmp_path / "squad.json"]
    flags = ["--predictions", *map(str, files), "--hardest", "5", "--hardest-file", str(tmp_path / "next.json")]
    done = training_command("evaluate", "--against", f"extractive-qa:{tiny_model.name}", *flags, home=tiny_store)
    report = json.loads(done.stdout)
    assert report["against"]["f1"] == 0
    assert not report["against"]["significant"]
    rows = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert len(rows) == len(json.loads(files[1].read_text())) == report["overall"]["total"]
    assert round(100 * sum(row["f1"] for row in rows) / len(rows), 3) == report["overall"]["f1"]
    assert len(data.load([str(tmp_path / "next.json")])) == 5


def test_evaluate_agrees_with_what_train_measured(tiny_store, tiny_model):
    metrics = json.loads((tiny_model / "metrics.json").read_text())
    for flags, measured in (([], "served"), (["--full-precision"], "full_precision")):
        report = json.loads(training_command("evaluate", *flags, home=tiny_store).stdout)
        assert report["precision"] == metrics[measured]["precision"]
        assert report["overall"] == metrics[measured]["overall"]


def test_negatives_are_constructed_and_soft_labels_are_learnt(tmp_path, tiny_settings, tiny_model):
    soft = tmp_path / "labels.jsonl"
    reader = artifact.load(tiny_model).reader()
    labels.write(soft, {"model": "teacher:1"}, reader, data.load(["sample:train"]))
    flags = [*tiny_settings, "--negatives", "0.5", "--dev-data", "--dev-fraction", "0.05", "--labels", str(soft)]
    flags += ["--no-narrowing"]
    done = training_command("train", *flags, "--output-dir", str(tmp_path / "run"), home=tmp_path)
    assert "INFO training.network.train: 32 questions have soft labels" in done.stderr
    served = tmp_path / "run" / "served"
    metrics = json.loads((served / "metrics.json").read_text())
    assert metrics["constructed"]["overall"]["NoAns_total"] > 0
    assert "roc_auc" in metrics["constructed"]["no_answer"]
    provenance = json.loads((served / "provenance.json").read_text())
    assert provenance["data"]["questions"] > 32
    assert provenance["labels"]["teachers"] == [{"model": "teacher:1"}]
    assert provenance["settings"]["labels"] == ["labels.jsonl"]
    assert provenance["settings"]["narrowing"] is False
    assert json.loads((served / "reader.json").read_text())["null_shift"] != 0


def test_bad_rows_stop_a_run_unless_they_are_repaired_and_counted(tmp_path, tiny_settings):
    questions = files.qas()
    for qa in questions[:2]:
        qa["answers"][0]["answer_start"] += 1
    questions[1]["answers"][0]["text"] = "nowhere"
    flags = [*tiny_settings, "--data", files.squad(tmp_path / "mine.json", questions), "--output-dir"]
    refused = training_command("train", *flags, str(tmp_path / "run"), home=tmp_path, check=False)
    assert refused.returncode == 3
    assert "mine.json: data[0].paragraphs[0].qas[0] (id q0): answers[0].answer_start: 1 does not" in refused.stderr
    assert not (tmp_path / "run").exists()
    done = training_command("train", *flags, str(tmp_path / "run"), "--bad-rows", "repair", home=tmp_path)
    assert "1 bad rows repaired, 1 passed over, of 3" in done.stderr
    provenance = json.loads((tmp_path / "run" / "served" / "provenance.json").read_text())
    assert provenance["bad_rows"] == {"skipped": 1, "repaired": 1}
    assert provenance["data"]["questions"] == 2


def test_check_reports_for_a_person_and_as_json_and_fails_on_bad_rows(tmp_path):
    good = files.squad(tmp_path / "good.json")
    assert "good.json (SQuAD JSON under `data`): 3 good" in training_command("check", good, home=tmp_path).stdout
    bad = files.squad(tmp_path / "bad.json", [*files.qas(), files.qas()[0] | {"question": None}])
    done = training_command("check", bad, "--dev-data", good, "--json", home=tmp_path, check=False)
    assert done.returncode == 3
    report = json.loads(done.stdout)
    assert report["sources"][0]["bad_rows"][0]["place"] == "data[0].paragraphs[0].qas[3]"
    assert any("leakage" in finding["what"] for finding in report["findings"])


def test_a_finished_folder_is_refused_with_the_flag_that_allows_it(tiny_store, tiny_settings):
    folder = tiny_store / "run"
    before = stored_files(tiny_store)
    done = training_command("train", *tiny_settings, "--output-dir", str(folder), home=tiny_store, check=False)
    assert done.returncode == 5
    assert "--overwrite" in done.stderr
    assert stored_files(tiny_store) == before


def test_a_foreign_folder_is_refused_and_kept(tmp_path, tiny_settings):
    (tmp_path / "thesis.txt").write_text("precious")
    done = training_command("train", *tiny_settings, "--output-dir", str(tmp_path), home=tmp_path / "h", check=False)
    assert done.returncode == 5
    assert (tmp_path / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--epochs", "-1"], 2, "epochs: Input should be greater than or equal to 0"),
        (["--config", "/nonexistent.yaml"], 2, "/nonexistent.yaml"),
        (["--no-such-flag"], 2, "unrecognized arguments"),
        (["--data", "/nonexistent.json"], 3, "/nonexistent.json: No such file"),
        (["--base-model", "no-such-user/no-such-model"], 4, "name a folder that holds it"),
    ],
)
def test_what_stops_a_run_is_one_line_with_its_own_exit_code(tmp_path, flags, code, message):
    done = training_command("train", *flags, "--output-dir", str(tmp_path / "run"), home=tmp_path, check=False)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_killed_run_resumes_and_outlives_the_gate_and_a_store_that_cannot_be_written(tmp_path, tiny_settings):
    flags = [*tiny_settings, "--epochs", "20", "--save-steps", "2", "--dev-data", "--dev-fraction", "0.02"]
    run, home = tmp_path / "run", tmp_path / "home"
    words = ["train", *flags, "--output-dir", str(run)]
    kill_after_first_checkpoint(words, home, run)
    assert not (home / "models").exists() or stored_files(home) == []

    other = training_command(*words, "--seed", "3", home=home, check=False)
    assert other.returncode == 5, "other settings must not be mixed with this run's"

    refused = training_command(*words, "--min-f1", "sample=100", home=home, check=False)
    assert refused.returncode == 7
    assert "resuming from checkpoint-" in refused.stderr
    assert "F1 on sample is " in refused.stderr
    assert "at least 100.000 is asked" in refused.stderr
    assert refused.stdout == ""
    assert not list(home.glob("models/*/*"))
    assert any("too low" in line for line in json.loads((run / "served" / "metrics.json").read_text())["gate"])

    (home / "models").mkdir(parents=True, exist_ok=True)
    (home / "models" / "extractive-qa").write_text("a file where a folder must go")
    lost = training_command(*words, home=home, check=False)
    assert lost.returncode == 6
    assert "resuming from checkpoint-" in lost.stderr
    assert "could not be stored" in lost.stderr
    assert not list(home.glob("models/*/*"))

    (home / "models" / "extractive-qa").unlink()
    done = training_command(*words, "--min-f1", "sample=0", home=home)
    assert "resuming from checkpoint-" in done.stderr
    assert done.stdout.startswith("extractive-qa:")
    assert not list(run.glob("checkpoint-*"))
    (metrics,) = home.glob("models/extractive-qa/*/metrics.json")
    assert len(json.loads(metrics.read_text())["epochs"]) == 20


def kill_after_first_checkpoint(words, home, folder):
    environment = {**os.environ, "BENTOML_HOME": str(home), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "training", *words]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 200
        while not list(folder.glob("checkpoint-*/trainer_state.json")):
            assert process.poll() is None, "training ended before its first checkpoint"
            assert time.monotonic() < deadline
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        process.kill()


def test_two_processes_train_one_adapter_folded_into_the_stored_network(tmp_path, tiny_settings):
    """`torchrun` needs no other code: gloo on CPUs here, nccl where there are GPUs."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = ["-m", "training", "train", *tiny_settings, "--adapter", "lora", "--output-dir", str(tmp_path / "run")]
    done = subprocess.run(
        [*command, *words],
        cwd=ROOT,
        env={**os.environ, "BENTOML_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("extractive-qa:") == 1
    assert not any("lora" in name for name in list_tensors(tmp_path / "run" / "model" / "model.safetensors"))


def list_tensors(path):
    from safetensors import safe_open

    with safe_open(path, "pt") as tensors:
        return list(tensors.keys())
