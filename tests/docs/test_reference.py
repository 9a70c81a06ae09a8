"""The API reference: every route, model and field, as the models describe them."""

import re

import pytest

from bento_service import errors, hub_schema, responses, schema
from bento_service.routes import ROUTES
from docs import reference
from docs.reference import markdown

TEXT = markdown(reference.document())
SECTIONS = {title: text for title, _, text in (part.partition("\n") for part in re.split(r"^### ", TEXT, flags=re.M))}
MODELS = [
    *(schema.AnswerRequest, schema.AnswersRequest, schema.BatchQuery),
    *(responses.AnswerResponse, responses.AnswerSpan, responses.AnswersResponse),
    *(responses.HealthResponse, responses.ErrorResponse),
    *(hub_schema.HubRequest, hub_schema.HubInputs, hub_schema.HubParameters, hub_schema.HubAnswer),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_of_a_model_has_a_row(model):
    rows = re.findall(r"^\| `(\w+)` \|", SECTIONS[model.__name__], re.MULTILINE)
    assert sorted(rows) == sorted(model.model_fields)


def test_every_route_and_its_errors_have_a_section():
    for route in ROUTES:
        for method in (route.methods or set()) - {"HEAD"}:
            assert f"{method} {route.path}" in SECTIONS
    for error in (errors.EmptyText, errors.TooLarge, errors.TooManyRequests, errors.TooSlow):
        assert f"| {error.status} | [ErrorResponse](#errorresponse) |" in SECTIONS["POST /answer"]
        assert f"`error` is `{error.error}`" in SECTIONS["POST /answer"]


def test_every_link_leads_to_a_section():
    links = set(re.findall(r"\]\(#(\w+)\)", TEXT))
    assert links
    assert links <= {title.lower() for title in SECTIONS}


def test_a_row_has_type_limits_meaning_and_default():
    described = {
        "paths": {},
        "components": {
            "schemas": {
                "Thing": {
                    "description": "A thing.",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string", "maxLength": 2000, "description": "Its name."},
                        "size": {"type": ["integer", "null"], "minimum": 1, "maximum": 20, "default": 1},
                        "unit": {"enum": ["m", "s", None], "type": ["string", "null"]},
                        "parts": {
                            "anyOf": [
                                {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}, "maxItems": 64},
                                {"type": "null"},
                            ],
                            "description": "This | that.",
                        },
                    },
                }
            }
        },
    }
    assert markdown(described).partition("### Thing\n")[2].splitlines() == [
        "",
        "A thing.",
        "",
        "| field | type | meaning |",
        "|---|---|---|",
        "| `name` | text, at most 2,000 characters | Its name. Required. |",
        "| `size` | whole number, 1 to 20 | Default: `1`. |",
        "| `unit` | `m` or `s` |  |",
        "| `parts` | list of at most 64 items, each [Thing](#thing) | This \\| that. |",
    ]


def test_an_operation_has_what_it_takes_and_each_status():
    header = {"in": "header", "name": "X-Id", "description": "Its id."}
    wait = {"Retry-After": {"description": "Seconds to wait."}}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
    failure = {"description": "Too many.", "headers": wait, "content": {"text/plain": {"schema": {"type": "string"}}}}
    operation = {
        "description": "Take a thing.",
        "parameters": [header],
        "requestBody": body,
        "responses": {"200": {"description": "Take a thing."} | body, "429": failure},
    }
    probe = {
        "description": "It runs.",
        "responses": {"200": {"description": "It runs.", "content": failure["content"]}},
    }
    paths = {"/livez": {"get": probe}, "/things": {"post": operation}}
    assert markdown({"paths": paths, "components": {"schemas": {}}}).splitlines() == [
        *("## Routes", "", "### POST /things", "", "Take a thing.", "", "Takes [Thing](#thing).", ""),
        *("The header `X-Id`: Its id.", "", "| status | body | meaning |", "|---|---|---|"),
        "| 200 | [Thing](#thing) |  |",
        "| 429 | `text/plain` | Too many. `Retry-After`: Seconds to wait. |",
        *("", "### GET /livez", "", "It runs.", "", "Gives `text/plain`.", "", "## Models"),
    ]
