import pytest
import yaml

from deploy import settings
from deploy.__main__ import main
from deploy.errors import SettingsError


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load settings from the text of a file, variables and flags."""

    def read(file=None, environment=None, **flags):
        path = None
        if file is not None:
            path = tmp_path / "deploy.yaml"
            path.write_text(file)
        with monkeypatch.context() as patch:
            for name, value in (environment or {}).items():
                patch.setenv(name, value)
            return settings.load(path, flags)

    return read


def test_flags_win_over_the_environment_and_that_over_the_file(load):
    chosen = load(
        "host: file.local\nnode_port: 30001\nmax_replicas: 5\n",
        {"QNA_DEPLOY_HOST": "environment.local", "QNA_DEPLOY_NODE_PORT": "30002"},
        node_port="30003",
    )
    assert (chosen.host, chosen.node_port, chosen.max_replicas) == ("environment.local", 30003, 5)


def test_the_established_variables_are_honoured(load):
    chosen = load(environment={"DOCKER_IMAGE_NAME": "ada/reader", "GITHUB_REPO_URL": "https://git.example/qa"})
    assert chosen.serving_reference == "docker.io/ada/reader:latest"
    assert chosen.git_url == "https://git.example/qa"


def test_the_prefixed_variable_takes_precedence_over_an_established_one(load):
    environment = {"DOCKER_IMAGE_NAME": "ada/reader", "QNA_DEPLOY_SERVING_IMAGE": "ada/other"}
    assert load("serving_image: ada/file\n", environment).serving_image == "ada/other"
    assert load("serving_image: ada/file\n", {"DOCKER_IMAGE_NAME": "ada/reader"}).serving_image == "ada/reader"


def test_an_empty_variable_counts_as_unset(load):
    environment = {"QNA_DEPLOY_HOST": "", "QNA_DEPLOY_TRAIN_ARGUMENTS": "", "DOCKER_IMAGE_NAME": ""}
    chosen = load("host: file.local\ntrain_arguments: [--fast]\nserving_image: ada/file\n", environment)
    assert (chosen.host, chosen.train_arguments, chosen.serving_image) == ("file.local", ("--fast",), "ada/file")


def test_an_unknown_variable_is_ignored(load):
    assert load(environment={"QNA_DEPLOY_COLOUR": "red"}) == settings.Settings()


def test_a_wrong_variable_is_named_without_its_value(load):
    with pytest.raises(SettingsError, match=r"^git_url: expected an https:// URL without user") as caught:
        load(environment={"GITHUB_REPO_URL": "https://user:secret@git.example/qa"})
    assert "secret@" not in str(caught.value)
    with pytest.raises(SettingsError, match=r"^node_port: expected a valid integer"):
        load("node_port: 30001\n", {"QNA_DEPLOY_NODE_PORT": "abc"})


def test_settings_that_are_constructed_read_no_environment(monkeypatch):
    monkeypatch.setenv("QNA_DEPLOY_HOST", "environment.local")
    assert settings.Settings().host == "qna-model.local"


def test_words_are_split_as_a_shell_would(load):
    environment = {"QNA_DEPLOY_TRAIN_ARGUMENTS": "--data '/mnt/model/my data.json' --epochs 2"}
    assert load(environment=environment).train_arguments == (*("--data", "/mnt/model/my data.json", "--epochs", "2"),)
    assert load("train_arguments: [--epochs, '3']\n").train_arguments == ("--epochs", "3")


def test_ports_and_blocks_are_words_too(load):
    environment = {"QNA_DEPLOY_BUILD_PORTS": "443 7999", "QNA_DEPLOY_DNS_ADDRESSES": "169.254.20.10"}
    chosen = load(environment=environment)
    assert chosen.build_ports == (443, 7999)
    assert chosen.dns_addresses == ("169.254.20.10/32",)


def test_none_is_a_word(load):
    assert load(environment={"QNA_DEPLOY_REGISTRY_SECRET": "none"}).registry_secret is None
    assert load(monitoring="none").monitoring == "none"


def test_a_digest_wins_over_the_tag(load):
    digest = "sha256:" + "0" * 64
    assert load(tag="one", digest=digest).serving_reference == f"docker.io/ashutoshj/qna_service@{digest}"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"host": "Qna_Model"}, "host: expected a host name in lower case, such as"),
        ({"node_port": "5000"}, "node_port: expected greater than or equal to 30000"),
        ({"node_port": "abc"}, "node_port: expected a valid integer"),
        ({"cpu_request": "a lot"}, "cpu_request: expected an amount above 0 .*250m|500m"),
        ({"cpu_request": "0"}, "cpu_request: expected an amount above 0"),
        ({"memory_limit": "1gb"}, "memory_limit: expected an amount above 0"),
        ({"memory_limit": "-1Gi"}, "memory_limit: expected an amount above 0"),
        ({"digest": "sha256:short"}, "digest: expected sha256: and 64"),
        ({"serving_image": "Ada/Reader"}, "serving_image: expected a repository's path in lower case"),
        ({"registry": "https://registry.example"}, "registry: expected HOST or HOST:PORT .*without https://"),
        ({"registry_secret": "Reg_Cred"}, "registry_secret: expected a name of Kubernetes"),
        ({"git_url": "https://user:secret@git.example/qa"}, "git_url: expected an https:// URL without user, password"),
        ({"max_replicas": "1"}, "^max_replicas 1 is below min_replicas 2"),
        ({"cpu_request": "0.6"}, "^cpu_request 0.6 is above cpu_limit 500m"),
        ({"memory_request": "1.5Gi"}, "^memory_request 1.5Gi is above memory_limit 1Gi"),
        ({"train_nodes": "2"}, "needs a storage_class"),
        ({"git_commit": "main"}, "git_commit: expected a whole commit: 40"),
        ({"serving_namespace": "training-model-env"}, "a namespace each"),
        ({"max_replica": "3"}, r"^max_replica is no setting; did you mean max_replicas\?"),
        ({"colour": "red"}, r"^colour is no setting; .*--help"),
        ({"monitoring": "all"}, "monitoring: expected 'none' or 'prometheus'"),
        ({"serving_nodes": "pool"}, "serving_nodes: .*KEY=VALUE, such as kubernetes.io/arch=amd64, not pool"),
        (
            {"job_tolerations": "gpu:Never"},
            r"KEY\[=VALUE\]\[:EFFECT\], such as .*not gpu:Never; effects are NoSchedule",
        ),
        ({"dns_addresses": "dns.local"}, "as a block, such as 169.254.20.10/32, not dns.local"),
        ({"build_ports": "443 ssh"}, "build_ports: "),
        ({"kaniko_ca": "Trust"}, "kaniko_ca: "),
    ],
)
def test_a_wrong_setting_is_named(load, flags, expected):
    with pytest.raises(SettingsError, match=expected) as caught:
        load(**flags)
    assert "secret@" not in str(caught.value)
    assert "^" not in str(caught.value)


@pytest.mark.parametrize("amount", ["0.5", ".5", "500m", "1", "1.5", "+2", "1e0", "500000u"])
def test_cpu_is_written_as_kubernetes_does(load, amount):
    assert load(cpu_request=amount, cpu_limit="2").cpu_request == amount


@pytest.mark.parametrize("amount", ["512Mi", "1.5Gi", "512M", "1e9", "129e6", "1000000k", "123456789", "0.5G"])
def test_memory_is_written_as_kubernetes_does(load, amount):
    assert load(memory_request=amount, memory_limit="2Gi").memory_request == amount


def test_an_amount_of_a_file_may_be_a_number(load):
    chosen = load("cpu_request: 0.5\ncpu_limit: 2\nmemory_limit: 1000000000\n")
    assert (chosen.cpu_request, chosen.cpu_limit, chosen.memory_limit) == ("0.5", "2", "1000000000")


@pytest.mark.parametrize(("file", "expected"), [("- 1", "must hold a mapping"), ("{", "cannot be read")])
def test_a_file_that_is_no_mapping_is_named(load, file, expected):
    with pytest.raises(SettingsError, match=expected):
        load(file)


def test_a_name_that_is_no_text_is_named(load):
    with pytest.raises(SettingsError, match=r"^1 is no setting"):
        load("1: red\n")


def test_the_command_renders_what_the_flags_say(capsys):
    assert main(["render", "--serving-namespace", "elsewhere", "--max-replicas", "3"]) == 0
    objects = list(yaml.safe_load_all(capsys.readouterr().out))
    (scaler,) = (manifest for manifest in objects if manifest["kind"] == "HorizontalPodAutoscaler")
    assert (scaler["metadata"]["namespace"], scaler["spec"]["maxReplicas"]) == ("elsewhere", 3)


def test_a_usage_error_has_its_own_exit_code(capsys):
    assert main(["render", "--node-port", "80"]) == 2
    assert "node_port" in capsys.readouterr().err


def test_a_certificate_of_the_ingress_is_refused_beside_a_gateway(load):
    assert load(tls_secret="qna-tls").tls_secret == "qna-tls"
    with pytest.raises(SettingsError, match="the Gateway's listener holds the certificate"):
        load(tls_secret="qna-tls", gateway="infra/public")
