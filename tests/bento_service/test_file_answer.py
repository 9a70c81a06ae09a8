"""`python -m bento_service ask`, typed as a person does."""

import json
import os
import pty
import subprocess
import sys

import pytest

from bento_service.file_answer import FileAnswer
from bento_service.reading.reader import Answer
from tests.bento_service.test_main import run
from tests.commands import ROOT

TEXT = "\ufeffThe Fram was built in Larvik.\r\n\r\nZoë 👍🏽 said:\nعاصمة مصر هي القاهرة. She lies\nin Oslo now.\n"
ANSWERED, NO_ANSWER, FAILED, USAGE = 0, 4, 1, 2


def file_answer(text, answer, *, confidence=0.5):
    start = text.index(answer)
    return FileAnswer("notes.md", text, Answer(answer, confidence, start, start + len(answer)))


@pytest.fixture
def notes(tmp_path):
    path = tmp_path / "notes.md"
    path.write_text(TEXT, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("text", "answer", "place", "sentence"),
    [
        ("Ada swims.", "Ada", (1, 1), "Ada swims."),
        ("Bo sings. Ada swims. Cy runs.", "Ada", (1, 11), "Ada swims."),
        ("Bo sings.\nAda\nswims. Cy runs.", "swims", (3, 1), "Ada swims."),
        ("# Title\n\n* Ada swims\n\nend", "Ada", (3, 3), "* Ada swims"),
        ("It costs 3.5 francs! Cheap.", "3.5 francs", (1, 10), "It costs 3.5 francs!"),
        ('He said "Stop." Then Ada left', "Ada", (1, 22), "Then Ada left"),
        ("巴黎是首都。東京も首都。", "東京", (1, 7), "東京も首都。"),
        ("👍🏽 Ada", "Ada", (1, 4), "👍🏽 Ada"),
        ("a\r\nAda", "Ada", (2, 1), "a Ada"),
        ("A b. C d. E f.", "b. C", (1, 3), "A b. C d."),
    ],
)
def test_an_answer_stands_in_its_place_and_sentence(text, answer, place, sentence):
    result = file_answer(text, answer)
    assert result.place == place
    assert "".join(result.sentence) == sentence
    assert result.lines(colour=False) == f"notes.md:{place[0]}:{place[1]}: {answer} (50%)\n{sentence}"


def test_a_sentence_without_an_end_is_cut():
    before, answer, after = file_answer("left " * 99 + "Ada" + " right" * 99, "Ada").sentence
    assert (len(before), answer, len(after)) == (201, "Ada", 201)
    assert (before[0], after[-1]) == ("…", "…")


def test_a_text_cannot_steer_the_terminal():
    shown = file_answer("\x1b[31mAda\x07 swims\x9b.", "Ada\x07 swims").lines(colour=True)
    assert shown.split("\n")[1] == "\ufffd[31m\x1b[1;7mAda\ufffd swims\x1b[0m\ufffd."


def test_a_file_is_asked(notes, tiny_store):
    done = run("ask", "Where does she lie?", str(notes), "--always", home=tiny_store)
    assert done.returncode == ANSWERED, done.stderr
    first, sentence = done.stdout.splitlines()
    assert first.startswith(f"{notes}:")
    assert "\x1b" not in done.stdout
    answer = first.split(": ", 1)[1].rpartition(" (")[0]
    assert answer in sentence


def test_json_has_the_place(notes, tiny_store):
    done = run("ask", "Where does she lie?", str(notes), "--always", "--json", home=tiny_store)
    answer = json.loads(done.stdout)
    text = TEXT.removeprefix("\ufeff")
    assert text[answer["start_pos"] : answer["end_pos"]] == answer["answer"] != ""
    assert text.split("\n")[answer["line"] - 1][answer["column"] - 1 :].startswith(answer["answer"].split("\n")[0])
    assert answer["file"] == str(notes)


def test_the_exit_code_tells_no_answer(notes, tiny_store):
    for flags in ([], ["--json"]):
        done = run("ask", "Where does she lie?", str(notes), *flags, home=tiny_store)
        assert done.returncode == NO_ANSWER, done.stderr
    assert json.loads(done.stdout).keys() == {"answer", "confidence", "start_pos", "end_pos", "file"}


def test_standard_input_is_read(tiny_store):
    command = [sys.executable, "-m", "bento_service", "ask", "Who?", "-", "--always"]
    environment = os.environ | {"BENTOML_HOME": str(tiny_store)}
    done = subprocess.run(command, cwd=ROOT, env=environment, input="Ada", capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[1] == "Ada"


@pytest.mark.parametrize(("variables", "marked"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_the_answer_is_marked_on_a_terminal(notes, tiny_store, variables, marked):
    outside, terminal = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    environment |= {"BENTOML_HOME": str(tiny_store), "TERM": "xterm"} | variables
    command = [sys.executable, "-m", "bento_service", "ask", "Where?", str(notes), "--always"]
    subprocess.run(command, cwd=ROOT, env=environment, stdout=terminal, check=True, timeout=60)
    os.close(terminal)
    shown = os.read(outside, 10_000).decode()
    assert ("\x1b[1;7m" in shown) == marked
    assert "notes.md:" in shown


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        ("Zoë".encode("latin-1"), "is no text in UTF-8 (byte 3 is not)"),
    ],
)
def test_a_file_that_cannot_be_asked_is_told(tmp_path, content, told):
    path = tmp_path / "notes.md"
    if content is not None:
        path.write_bytes(content)
    done = run("ask", "Who?", str(path), home=tmp_path)
    assert done.returncode == FAILED
    assert done.stderr.startswith(f"error: {path} {told}")
    assert len(done.stderr.splitlines()) == 1


def test_what_else_is_missing_is_told(notes, tmp_path, tiny_store):
    done = run("ask", "Who?", str(notes), home=tmp_path)
    assert done.returncode == FAILED
    assert "the BentoML store has no model extractive-qa:latest; run `make train`" in done.stderr
    done = run("ask", " ", str(notes), home=tiny_store)
    assert (done.returncode, done.stderr) == (FAILED, "error: the question is empty; pass a text\n")
    done = run("ask", "Who?", str(notes), "--model", "no:such", home=tiny_store)
    assert "has no model no:such" in done.stderr
    assert run("ask", home=tiny_store).returncode == USAGE
