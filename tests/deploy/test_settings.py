import pytest
import yaml

from deploy import settings
from deploy.__main__ import main
from deploy.errors import SettingsError


def load(tmp_path, file=None, environment=None, **flags):
    path = None
    if file is not None:
        path = tmp_path / "deploy.yaml"
        path.write_text(file)
    return settings.load(path, environment or {}, flags)


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path):
    chosen = load(
        tmp_path,
        "host: file.local\nnode_port: 30001\nmax_replicas: 5\n",
        {"QNA_DEPLOY_HOST": "environment.local", "QNA_DEPLOY_NODE_PORT": "30002"},
        node_port="30003",
    )
    assert (chosen.host, chosen.node_port, chosen.max_replicas) == ("environment.local", 30003, 5)


def test_the_established_variables_are_honoured(tmp_path):
    chosen = load(
        tmp_path, environment={"DOCKER_IMAGE_NAME": "ada/reader", "GITHUB_REPO_URL": "https://git.example/qa"}
    )
    assert chosen.serving_reference == "docker.io/ada/reader:latest"
    assert chosen.git_url == "https://git.example/qa"


def test_words_are_split_as_a_shell_would(tmp_path):
    environment = {"QNA_DEPLOY_TRAIN_ARGUMENTS": "--data '/mnt/model/my data.json' --epochs 2"}
    assert load(tmp_path, environment=environment).train_arguments == (
        *("--data", "/mnt/model/my data.json", "--epochs", "2"),
    )
    assert load(tmp_path, "train_arguments: [--epochs, '3']\n").train_arguments == ("--epochs", "3")


def test_ports_and_blocks_are_words_too(tmp_path):
    environment = {"QNA_DEPLOY_BUILD_PORTS": "443 7999", "QNA_DEPLOY_DNS_ADDRESSES": "169.254.20.10"}
    chosen = load(tmp_path, environment=environment)
    assert chosen.build_ports == (443, 7999)
    assert chosen.dns_addresses == ("169.254.20.10/32",)


def test_none_is_a_word(tmp_path):
    assert load(tmp_path, environment={"QNA_DEPLOY_REGISTRY_SECRET": "none"}).registry_secret is None
    assert load(tmp_path, monitoring="none").monitoring == "none"


def test_a_digest_wins_over_the_tag(tmp_path):
    digest = "sha256:" + "0" * 64
    assert load(tmp_path, tag="one", digest=digest).serving_reference == f"docker.io/ashutoshj/qna_service@{digest}"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"host": "Qna_Model"}, "host: "),
        ({"node_port": "5000"}, "node_port: "),
        ({"cpu_request": "a lot"}, "cpu_request: .*250m"),
        ({"digest": "sha256:short"}, "digest: "),
        ({"serving_image": "Ada/Reader"}, "serving_image: "),
        ({"git_url": "https://user:secret@git.example/qa"}, "git_url: "),
        ({"max_replicas": "1"}, "max_replicas 1 is below min_replicas 2"),
        ({"train_nodes": "2"}, "needs a storage_class"),
        ({"git_commit": "main"}, "git_commit: "),
        ({"serving_namespace": "training-model-env"}, "a namespace each"),
        ({"serving_nodes": "pool"}, "serving_nodes.0: .*KEY=VALUE, such as kubernetes.io/arch=amd64, not pool"),
        (
            {"job_tolerations": "gpu:Never"},
            r"KEY\[=VALUE\]\[:EFFECT\], such as .*not gpu:Never; effects are NoSchedule",
        ),
        ({"dns_addresses": "dns.local"}, "as a block, such as 169.254.20.10/32, not dns.local"),
        ({"build_ports": "443 ssh"}, "build_ports.1: "),
        ({"kaniko_ca": "Trust"}, "kaniko_ca: "),
        ({"replicas": "3"}, "replicas: Extra inputs"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, flags, said):
    with pytest.raises(SettingsError, match=said):
        load(tmp_path, **flags)


@pytest.mark.parametrize(("file", "said"), [("- 1", "must hold a mapping"), ("{", "cannot be read")])
def test_a_file_that_is_no_mapping_is_named(tmp_path, file, said):
    with pytest.raises(SettingsError, match=said):
        load(tmp_path, file)


def test_the_command_renders_what_the_flags_say(capsys):
    assert main(["render", "--serving-namespace", "elsewhere", "--max-replicas", "3"]) == 0
    objects = list(yaml.safe_load_all(capsys.readouterr().out))
    (scaler,) = (made for made in objects if made["kind"] == "HorizontalPodAutoscaler")
    assert (scaler["metadata"]["namespace"], scaler["spec"]["maxReplicas"]) == ("elsewhere", 3)


def test_a_usage_error_has_its_own_exit_code(capsys):
    assert main(["render", "--node-port", "80"]) == 2
    assert "node_port" in capsys.readouterr().err
