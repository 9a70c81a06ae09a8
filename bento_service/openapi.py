"""The service's description as an OpenAPI 3.1 document, generated from the models of its requests and responses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import attrs

# The specification that BentoML generates is of these classes; BentoML 1.4.39 has no public ones.
from bentoml._internal.service.openapi.specification import OpenAPISpecification, PathItem
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bento_service import errors
from bento_service.bodies import JSON
from bento_service.request_log import REQUEST_ID
from bento_service.responses import ErrorResponse, HealthResponse
from bento_service.schema import VERSION, is_visible

VERSION_OF_OPENAPI = "3.1.0"
_REFERENCE = "#/components/schemas/{model}"
_API, _INFRASTRUCTURE = "Service APIs", "Infrastructure"  # the tags that BentoML describes
_ERRORS: tuple[type[errors.ServiceError], ...] = (
    errors.EmptyText,
    errors.TooLarge,
    errors.UnsupportedMediaType,
    errors.InvalidRequest,
    errors.TooManyRequests,
    errors.ServiceError,
    errors.TooSlow,
)
_TEXTS = {
    "/": ("text/html", "A page to ask on, in a browser."),
    "/docs": ("text/html", "This document, as a page."),
    "/livez": ("text/plain", "Whether the process runs."),
    "/readyz": ("text/plain", "Whether the service answers: 200 once a real answer was computed."),
    "/healthz": ("text/plain", "The same as /livez."),
    "/metrics": ("text/plain", "Metrics for Prometheus."),
}
"""Path of each text that is read by GET: its media type and description."""
_REQUEST_ID = {
    "in": "header",
    "name": REQUEST_ID,
    "description": "Id of the request: at most 128 of A-Z, a-z, 0-9, `.`, `_` and `-`; any other is replaced.",
    "schema": {"type": "string"},
}
_RETURNED_ID = {"description": "Id of the request, as it is in the log.", "schema": {"type": "string"}}


_PLANES = (range(0x20000), range(0xE0000, 0xE0080))
"""Ranges of code points that include all invisible characters."""


@dataclass(frozen=True)
class Operation:
    """One operation of the API: its route, what it takes and returns, and what it does."""

    route: str
    request: type[BaseModel]
    response: type[BaseModel]
    doc: str


def specification(
    spec: OpenAPISpecification, description: str | None, operations: dict[str, Operation]
) -> OpenAPISpecification:
    """Return BentoML's specification with the routes as they are, and the contract's errors."""
    items: dict[str, dict[str, Any]] = {path: {"get": _text(*about)} for path, about in _TEXTS.items()}
    items["/readyz"]["get"]["responses"]["503"] = {"description": "The model is not loaded yet."}
    items["/health"] = {"get": _health()}
    for name, operation in operations.items():
        items.setdefault(operation.route, {})["post"] = _operation(name, operation)
    components: Any = {"schemas": _schemas(operations)}
    return attrs.evolve(
        spec,
        openapi=VERSION_OF_OPENAPI,
        info=attrs.evolve(spec.info, version=VERSION, description=description, contact=None),
        paths={path: PathItem(**item) for path, item in items.items()},
        components=components,
    )


def _schemas(operations: dict[str, Operation]) -> dict[str, Any]:
    """Describe all models, each under its name."""
    modes: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        *((operation.request, "validation") for operation in operations.values()),
        *((operation.response, "serialization") for operation in operations.values()),
        (HealthResponse, "serialization"),
        (ErrorResponse, "serialization"),
    ]
    _, described = models_json_schema(modes, ref_template=_REFERENCE)
    schemas: dict[str, Any] = described["$defs"]
    for schema in schemas.values():
        if schema.get("additionalProperties") is False:  # a request's
            _allow_null(schema)
            _require_visible(schema)
    return schemas


def _allow_null(schema: dict[str, Any]) -> None:
    """Let every optional field be null, which counts as absent."""
    for name, field in schema["properties"].items():
        if name not in schema.get("required", []) and isinstance(field.get("type"), str):
            field["type"] = [field["type"], "null"]
            if "enum" in field:
                field["enum"] = [*field["enum"], None]


def _require_visible(part: Any) -> None:
    """Add the pattern of a visible character to every text of a request; those are the strings with a maxLength."""
    if isinstance(part, dict):
        if "maxLength" in part:
            part["pattern"] = _visible_pattern()
        for value in part.values():
            _require_visible(value)
    elif isinstance(part, list):
        for value in part:
            _require_visible(value)


@cache
def _visible_pattern() -> str:
    """Return the regular expression of a visible character, as `is_visible` defines it."""
    places = [place for planes in _PLANES for place in planes if not is_visible(chr(place))]
    first = [place for place in places if place - 1 not in places]
    last = [place for place in places if place + 1 not in places]
    return f"[^{''.join(f'{_escaped(a)}-{_escaped(b)}' for a, b in zip(first, last, strict=True))}]"


def _escaped(place: int) -> str:
    return f"\\u{place:04x}" if place < 0x10000 else chr(place)


def _operation(name: str, operation: Operation) -> dict[str, Any]:
    failures = {
        str(error.status): _response((error.__doc__ or "").partition("\n")[0], ErrorResponse, error=error.error)
        for error in _ERRORS
    }
    wait = {"description": "Seconds to wait before trying again.", "schema": {"type": "integer", "minimum": 1}}
    failures[str(errors.TooManyRequests.status)]["headers"] = {"Retry-After": wait}
    responses = {"200": _response(operation.doc, operation.response), **failures}
    for response in responses.values():
        response.setdefault("headers", {})[REQUEST_ID] = _RETURNED_ID
    return {
        "tags": [_API],
        "operationId": f"extractive-qa__{name}",
        "description": operation.doc,
        "parameters": [_REQUEST_ID],
        "requestBody": {"required": True, "content": {JSON: {"schema": _named(operation.request)}}},
        "responses": responses,
    }


def _health() -> dict[str, Any]:
    return {
        "tags": [_INFRASTRUCTURE],
        "description": "Whether the service answers, and which model, Bento and data answer.",
        "responses": {
            "200": _response("The service answers.", HealthResponse),
            "503": _response("The model is not loaded yet.", HealthResponse),
        },
    }


def _text(media_type: str, description: str) -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "string"}}}
    return {
        "tags": [_INFRASTRUCTURE],
        "description": description,
        "responses": {"200": {"description": description, "content": content}},
    }


def _response(description: str, model: type[BaseModel], error: str | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": _named(model)}
    if error is not None:
        content["example"] = {"error": error, "detail": "what is wrong, and what to do about it"}
    return {"description": description, "content": {JSON: content}}


def _named(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}
