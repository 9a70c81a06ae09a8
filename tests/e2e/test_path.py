"""The whole path, as it is typed: preflight, verify, apply, status, load, and the way back."""

from __future__ import annotations

import json
import os

import pytest

from deploy import settings
from tests.e2e.deployment import deploy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(5400)]

NOWHERE = "sha256:" + "0" * 64


def test_the_cluster_is_ready(flags):
    done = deploy("preflight", flags=flags)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_proves_its_model(image):
    done = deploy("verify", "--output", "json", flags=image)
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout)
    assert report["model"].startswith("extractive-qa:")
    assert report["files"] == 5


def test_it_is_applied_and_answers(image):
    done = deploy("apply", "--output", "json", flags=image)
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout)["answer"]["answer"]
    again = deploy("apply", "--output", "json", flags=image)
    assert {entry["action"] for entry in json.loads(again.stdout)["applied"]} == {"unchanged", "kept"}


def test_status_shows_it(image):
    found = json.loads(deploy("status", "--output", "json", flags=image).stdout)
    assert found["service"]["model"].startswith("extractive-qa:")
    assert found["deployment"]["available"] >= 2
    assert found["deployment"]["passed"] is True


def test_load_from_inside_is_answered(image):
    if not os.environ.get(settings.variable("training_image")):
        pytest.skip("Locust is in the training image: set QNA_DEPLOY_TRAINING_IMAGE")
    done = deploy("load", "--load-shape", "steps:users=4,step=2,seconds=10", flags=image)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "0(0.00%)" in done.stderr


def test_an_image_that_is_not_there_is_rolled_back(image):
    done = deploy("apply", flags=[*image, "--digest", NOWHERE])
    assert done.returncode == 6
    assert "can't be rolled out: " in done.stderr
    assert "rolled back to revision 1, the last that passed" in done.stderr
    found = json.loads(deploy("status", "--output", "json", flags=image).stdout)
    assert not found["deployment"]["image"].endswith(NOWHERE)
    assert found["service"]["model"].startswith("extractive-qa:")


def test_a_dry_run_of_the_server_finds_nothing_to_change(image):
    done = deploy("apply", "--dry-run", "server", "--output", "json", flags=image)
    assert {entry["action"] for entry in json.loads(done.stdout)["applied"]} <= {"unchanged", "configured", "kept"}
