"""The registry's credentials: where they are found, and how they reach the pods without ever being shown."""

import base64
import json

import pytest
import yaml

from deploy import credentials
from deploy.__main__ import main
from deploy.errors import SettingsError
from deploy.settings import Settings

HUB = Settings()
NAMESPACES = ("training-model-env", "serving-model-env")


@pytest.fixture(autouse=True)
def nobody(tmp_path, monkeypatch):
    """A machine that knows no credentials."""
    for name in (credentials.USERNAME, credentials.PASSWORD, credentials.FILE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def login(monkeypatch):
    monkeypatch.setenv(credentials.USERNAME, "ada")
    monkeypatch.setenv(credentials.PASSWORD, "pass:word")


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def secret(auths, kind="kubernetes.io/dockerconfigjson", field="data"):
    text = json.dumps({"auths": auths})
    value = encoded(text) if field == "data" else text
    return {"kind": "Secret", "metadata": {"name": "any"}, "type": kind, field: {".dockerconfigjson": value}}


def test_docker_login_is_known_and_the_environment_wins(tmp_path, monkeypatch):
    assert credentials.login("docker.io") == (None, None)
    noted = {"auths": {credentials.HUB_KEY: {"auth": encoded("eve:other")}}}
    (tmp_path / "config.json").write_text(json.dumps(noted))
    assert credentials.login("docker.io") == ("eve", "other")
    assert credentials.login("registry.example") == (None, None)
    login(monkeypatch)
    assert credentials.login("docker.io") == ("ada", "pass:word")


def test_a_secret_is_made_for_both_namespaces(monkeypatch):
    login(monkeypatch)
    manifest = credentials.secrets(HUB)
    assert [(entry["metadata"]["namespace"], entry["metadata"]["name"]) for entry in manifest] == [
        (namespace, "regcred") for namespace in NAMESPACES
    ]
    assert all(credentials.malformed(entry, credentials.HUB_KEY) is None for entry in manifest)
    noted = json.loads(base64.b64decode(manifest[0]["data"][".dockerconfigjson"]))["auths"][credentials.HUB_KEY]
    assert base64.b64decode(noted["auth"]) == b"ada:pass:word"


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_a_secrets_file_is_taken_as_it_is(tmp_path, monkeypatch, field):
    auths = {credentials.HUB_KEY: {"auth": encoded("ada:pass:word")}}
    path = tmp_path / "secret.yaml"
    path.write_text(yaml.dump_all([None, secret(auths, field=field)]))
    monkeypatch.setenv(credentials.FILE, str(path))
    for manifest in credentials.secrets(HUB):
        assert json.loads(base64.b64decode(manifest["data"][".dockerconfigjson"])) == {"auths": auths}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (yaml.dump(secret({"index.docker.io": {"auth": "c2VjcmV0"}})), "knows index.docker.io, not https://index"),
        (yaml.dump(secret({}, kind="Opaque")), "its type is Opaque"),
        ("c2VjcmV0: [", "is not YAML"),
        ("c2VjcmV0", "holds 0 Secrets"),
        (yaml.dump({"kind": "Secret", "type": "kubernetes.io/dockerconfigjson", "data": "c2VjcmV0"}), "can't be read"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_none_is_reported_without_its_contents(tmp_path, monkeypatch, text, expected):
    path = tmp_path / "secret.yaml"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv(credentials.FILE, str(path))
    with pytest.raises(SettingsError, match=expected) as error:
        credentials.secrets(HUB)
    assert "c2VjcmV0" not in str(error.value)


def test_who_has_none_is_told_where_they_go():
    with pytest.raises(SettingsError, match=r"run `docker login docker.io`, set QNA_REGISTRY_USR and"):
        credentials.secrets(HUB)


def test_the_command_writes_them_reads_none_and_shows_nothing(api, cluster, monkeypatch, capsys):
    login(monkeypatch)
    assert main(["secret"]) == 0
    assert main(["secret"]) == 0  # again
    printed = capsys.readouterr()
    assert printed.out.splitlines()[:2] == [f"Secret {namespace}/regcred" for namespace in NAMESPACES]
    stored = [api.the("Secret", "regcred", namespace) for namespace in NAMESPACES]
    assert all(credentials.malformed(entry, credentials.HUB_KEY) is None for entry in stored)
    assert not [path for method, path in api.requests if method == "GET" and "secrets" in path]
    for hidden in ("pass:word", encoded("ada:pass:word"), stored[0]["data"][".dockerconfigjson"]):
        assert hidden not in printed.out + printed.err
