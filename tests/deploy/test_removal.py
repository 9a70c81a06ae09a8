"""What `delete` takes off the cluster, what it leaves to an administrator, and when it ends."""

import json

from deploy import removal
from deploy.__main__ import main
from deploy.apply import ADMINISTRATORS
from tests.deploy.test_accounts import NOBODY, administered, answering  # noqa: F401  # fixtures
from tests.deploy.test_commands import FLAGS


def test_the_deployer_deletes_its_part_and_leaves_the_administrators(answering, capsys):  # noqa: F811
    main(["apply", *FLAGS])
    capsys.readouterr()
    assert main(["delete", *FLAGS, "--yes", "--output", "json"]) == 0
    printed = capsys.readouterr()
    left = json.loads(printed.out)["left"]
    assert "ClusterRoleBinding qna-deployer-training-model-env" in left
    assert "Namespace serving-model-env" in left
    assert "ClusterRole qna-deployer-training-model-env left: only an administrator may delete it" in printed.err
    kinds = {kind for kind, _, _ in answering.objects if kind != "ReplicaSet"}  # which a controller ends
    assert kinds == ADMINISTRATORS | {"PersistentVolumeClaim"}
    assert main(["apply", *FLAGS]) == 0


def test_a_purge_of_the_deployer_leaves_the_claim_with_its_volume(answering, capsys):  # noqa: F811
    main(["apply", *FLAGS])
    assert main(["delete", *FLAGS, "--yes", "--purge"]) == 0
    assert "the trained models are still in /mnt/model of the node" in capsys.readouterr().err
    assert answering.the("PersistentVolumeClaim", "train-model-pvc")


def test_who_may_delete_nothing_is_refused(answering, capsys):  # noqa: F811
    main(["apply", *FLAGS])
    answering.user = NOBODY
    assert main(["delete", *FLAGS, "--yes"]) == 4
    assert "could not be deleted" in capsys.readouterr().err


def test_delete_ends_when_everything_is_gone(answering, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setattr(removal, "POLL_S", 0.001)
    main(["apply", *FLAGS])
    answering.user, answering.linger = None, 4
    assert main(["delete", *FLAGS, "--yes"]) == 0
    assert "waiting until it is gone: " in capsys.readouterr().err
    assert not answering.ending
    assert main(["apply", *FLAGS]) == 0


def test_what_never_goes_is_reported(answering, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setattr(removal, "POLL_S", 0.001)
    monkeypatch.setattr(removal, "GONE_S", 0)
    main(["apply", *FLAGS])
    answering.user, answering.linger = None, 10**6
    assert main(["delete", *FLAGS, "--yes"]) == 1
    assert "still there 0 s after it was deleted; look at the pods" in capsys.readouterr().err
