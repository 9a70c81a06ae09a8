"""The OpenAPI document: valid, complete, and no stricter or laxer than the service."""

import re
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from bento_service.schema import is_visible
from bento_service.service import ExtractiveQA

SERVICE: Any = ExtractiveQA  # the decorator makes a service of the class


@pytest.fixture(scope="module")
def document(client):
    return client.get("/docs.json").json()


def test_it_is_valid(document):
    assert document["openapi"] == "3.1.0"
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_it_is_told_without_a_server(document):
    assert SERVICE.openapi_spec.asdict() == document


def test_an_optional_field_may_be_null(document):
    for name in ("AnswerRequest", "HubRequest"):
        schema = document["components"]["schemas"][name]
        for field in schema["properties"].keys() - schema.get("required", []):
            described = schema["properties"][field]
            assert "null" in described.get("type", []) or {"type": "null"} in described["anyOf"]


@pytest.mark.parametrize(
    "text",
    ["", " ", "\u00a0\u3000\n", "\u200b", "\u0000", "\ufeff \u2060", "\U000e0041", "x", "👍", "\ufffd", "。", "\ue000"],
)
def test_the_pattern_of_a_text_is_what_the_service_takes(document, text):
    pattern = document["components"]["schemas"]["HubInputs"]["properties"]["context"]["pattern"]
    assert bool(re.search(pattern, text)) == any(map(is_visible, text))


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({"question": "Who?", "context": "Ada."}, True),
        ({"question": "Who?", "context": "Ada.", "contexts": None}, True),
        ({"question": "Who?", "contexts": ["Ada."]}, True),
        ({"questions": ["Who?"], "context": "Ada."}, True),
        ({"question": None, "context": "Ada."}, False),
        ({"question": "Who?", "context": "Ada.", "contexts": ["Ada."]}, False),
        ({"questions": ["Who?"], "contexts": ["Ada."]}, False),
    ],
)
def test_which_fields_go_together_is_what_the_service_takes(document, client, fields, taken):
    schema = document["components"]["schemas"]["AnswerRequest"]
    assert OAS31Validator(schema).is_valid(fields) == taken
    assert client.post("/answer", json=fields).is_success == taken


def test_too_many_at_once_are_told_when_to_come_back(document):
    assert document["paths"]["/answer"]["post"]["responses"]["429"]["headers"].keys() == {
        "Retry-After",
        "X-Request-ID",
    }
