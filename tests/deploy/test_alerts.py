"""The alerts, as Prometheus' own tool judges them: each fires when it should, and is silent otherwise."""

import re
import shutil
import subprocess

import pytest
import yaml

from deploy.objects.alerts import RUNBOOK, alerts, prometheus_rule
from deploy.settings import Settings
from tests.commands import ROOT

SETTINGS = Settings()
HERE = 'namespace="serving-model-env"'
REQUESTS = f'bentoml_service_request_total{{{HERE},endpoint="/answer",http_response_code="%s"}}'
BUCKET = f'bentoml_service_request_duration_seconds_bucket{{{HERE},endpoint="/answer",le="%s"}}'
POD = f'{HERE},pod="model-inference-7d9-x2",container="service"'
RESTARTS = f"kube_pod_container_status_restarts_total{{{POD}}}"
KILLED = f'kube_pod_container_status_last_terminated_reason{{{POD},reason="OOMKilled"}}'
DEPLOYMENT = f'{HERE},deployment="model-inference"'
SCALER = f'{HERE},horizontalpodautoscaler="qna-hpa"'
BLIND = f'kube_horizontalpodautoscaler_status_condition{{{SCALER},condition="ScalingActive",status="false"}}'
STUCK = f'kube_deployment_status_condition{{{DEPLOYMENT},condition="Progressing",status="false"}}'
AVAILABLE = f"kube_deployment_status_replicas_available{{{DEPLOYMENT}}}"
DESIRED = f"kube_horizontalpodautoscaler_status_desired_replicas{{{SCALER}}}"
MOST = f"kube_horizontalpodautoscaler_spec_max_replicas{{{SCALER}}}"
INDEX = f'extractive_qa_population_stability_index{{{HERE},feature="%s"}}'
EXPIRY = 'probe_ssl_earliest_cert_expiry{instance="https://docker.io/v2/"}'

# Series by the alert: when it fires, and when all is well. `a+bxn` is a, a+b, ..., one a minute.
FIRING = {
    "QnaErrors": {REQUESTS % 200: "0+90x60", REQUESTS % 500: "0+10x60"},
    "QnaRefusals": {REQUESTS % 200: "0+90x60", REQUESTS % 429: "0+10x60"},
    "QnaSlow": {BUCKET % "5.0": "0+90x60", BUCKET % "10.0": "0+100x60", BUCKET % "+Inf": "0+100x60"},
    "QnaDrift": {INDEX % "confidence": "0.3x60", INDEX % "no_answer": "0.1x60"},
    "QnaDown": {AVAILABLE: "0x60"},
    "QnaRestarts": {RESTARTS: "0x50 1+1x10"},
    "QnaOutOfMemory": {RESTARTS: "0x50 1x10", KILLED: "_x50 1x10"},
    "QnaRolloutStuck": {STUCK: "1x60"},
    "QnaAutoscalerAtMaximum": {DESIRED: "10x60", MOST: "10x60"},
    "QnaAutoscalerBlind": {BLIND: "1x60"},
    "QnaRegistryCertificate": {EXPIRY: "1000000x120"},
}
SILENT = {
    "QnaErrors": {REQUESTS % 200: "0+98x60", REQUESTS % 500: "0+2x60", REQUESTS % 429: "0+50x60"},
    "QnaRefusals": {REQUESTS % 200: "0+98x60", REQUESTS % 429: "0+2x60", REQUESTS % 500: "0+50x60"},
    "QnaSlow": {BUCKET % "5.0": "0+99x60", BUCKET % "10.0": "0+100x60", BUCKET % "+Inf": "0+100x60"},
    "QnaDrift": {
        INDEX % "confidence": "0.2x60",
        INDEX % "no_answer": "0.9x40 0.2x20",
        INDEX % "context_characters": "3x60",
    },
    "QnaDown": {AVAILABLE: "1x60"},
    "QnaRestarts": {RESTARTS: "0x50 1x10"},
    "QnaOutOfMemory": {RESTARTS: "1x60", KILLED: "1x60"},
    "QnaRolloutStuck": {STUCK: "0x60"},
    "QnaAutoscalerAtMaximum": {DESIRED: "9x60", MOST: "10x60"},
    "QnaAutoscalerBlind": {BLIND: "0x60"},
    "QnaRegistryCertificate": {EXPIRY: "2000000x120"},
}


@pytest.fixture
def promtool(tmp_path):
    """Run promtool on the alerts and a file of tests; return what it did."""
    if shutil.which("promtool") is None:
        pytest.skip("needs promtool (Debian's package prometheus)")

    def run(tests):
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump(prometheus_rule(SETTINGS)["spec"]))
        (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))
        words = ["promtool", "test", "rules", "tests.yaml"]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    return run


def scenario(name, series, *, fires):
    """Return a test of promtool: after an hour, or two for the certificate, the alert fires or is silent."""
    (rule,) = (rule for rule in prometheus_rule(SETTINGS)["spec"]["groups"][0]["rules"] if rule["alert"] == name)
    return {
        "interval": "1m",
        "input_series": [{"series": labels, "values": values} for labels, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)',
                "eval_time": "120m" if name == "QnaRegistryCertificate" else "58m",
                "exp_samples": [{"labels": "{}", "value": int(fires)}],
            }
        ],
        "name": f"{name}: {rule['expr']}",
    }


def test_every_alert_has_both_scenarios():
    assert {alert.name for alert in alerts(SETTINGS)} == set(FIRING) == set(SILENT)


@pytest.mark.parametrize("name", FIRING)
def test_an_alert_fires_and_is_silent(name, promtool):
    done = promtool([scenario(name, FIRING[name], fires=True), scenario(name, SILENT[name], fires=False)])
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_expectation_would_be_found(promtool):
    assert promtool([scenario("QnaDown", SILENT["QnaDown"], fires=True)]).returncode != 0


def test_every_alert_leads_to_its_section():
    sections = re.findall(r"^## (\S+)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE)
    assert sections == [alert.name for alert in alerts(SETTINGS)]
    (group,) = prometheus_rule(SETTINGS)["spec"]["groups"]
    for rule in group["rules"]:
        address, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert address == "https://github.com/ashutoshj/extractive-qa/blob/main/docs/alerts.md"
        assert anchor == rule["alert"].lower()
