"""The API reference in Markdown, made from the OpenAPI document of the service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}
_UNITS = {"string": ("minLength", "maxLength", " characters"), "array": ("minItems", "maxItems", " items")}
"""The names of the least and the greatest size of a type, and what is counted."""


def document() -> Schema:
    """Return the OpenAPI document, as /docs.json has it."""
    from bento_service.service import ExtractiveQA

    service: Any = ExtractiveQA  # the decorator makes a service of the class
    described: Schema = service.openapi_spec.asdict()
    return described


def markdown(described: Schema) -> str:
    """Return a section for each operation and for each model of an OpenAPI document."""
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]
    operations.sort(key=lambda titled: "requestBody" not in titled[1])  # questions first
    routes = [_operation(*titled) for titled in operations]
    models = [_model(name, schema) for name, schema in described["components"]["schemas"].items()]
    return "\n\n".join(["## Routes", *routes, "## Models", *models]) + "\n"


def _operation(title: str, operation: Schema) -> str:
    lines = [f"### {title}", "", operation["description"], ""]
    if "requestBody" in operation:
        lines += [f"Takes {_content(operation['requestBody'])}.", ""]
    for parameter in operation.get("parameters", []):
        lines += [f"The {parameter['in']} `{parameter['name']}`: {parameter['description']}", ""]
    if len(operation["responses"]) == 1:
        return "\n".join([*lines, f"Gives {_content(operation['responses']['200'])}."])
    rows = (_response(status, response, operation) for status, response in operation["responses"].items())
    return "\n".join([*lines, "| status | body | meaning |", "|---|---|---|", *rows])


def _response(status: str, response: Schema, operation: Schema) -> str:
    meaning = "" if response["description"] == operation["description"] else response["description"]
    headers = "".join(f" `{name}`: {header['description']}" for name, header in response.get("headers", {}).items())
    contents: list[Schema] = list(response.get("content", {}).values())
    example = contents[0].get("example") if contents else None
    error = f" `error` is `{example['error']}`." if example else ""
    return _row(status, _content(response), f"{meaning}{error}{headers}")


def _content(described: Schema) -> str:
    """Return what a body holds: its model, or else its media type."""
    for media_type, content in described.get("content", {}).items():
        return _type(content["schema"]) if "$ref" in content["schema"] else f"`{media_type}`"
    return ""


def _model(name: str, schema: Schema) -> str:
    lines = [f"### {name}", "", schema.get("description", ""), ""]
    if "properties" not in schema:
        return "\n".join([*lines, f"It is {_type(schema)}."])
    rows = (_field(field, schema) for field in schema["properties"])
    return "\n".join([*lines, "| field | type | meaning |", "|---|---|---|", *rows])


def _field(name: str, schema: Schema) -> str:
    field, default = schema["properties"][name], schema["properties"][name].get("default")
    absent = "" if default is None else f" Default: `{json.dumps(default)}`."
    needed = " Required." if name in schema.get("required", []) else ""
    return _row(f"`{name}`", _type(field), f"{field.get('description', '')}{needed}{absent}".strip())


def _type(schema: Schema) -> str:
    """Describe what a schema allows. Null is left out: in a request it counts as absent, and no response has it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"] if part.get("type") != "null")
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"] if value is not None)
    kinds = schema.get("type", "anything")
    kind = next(kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null")
    limits = list(_limits(kind, schema))
    if kind == "array":
        items = _type(schema["items"])
        return f"list of {', '.join(limits)}, each {items}" if limits else f"list of {items}"
    return ", ".join([_TYPES.get(kind, kind), *limits])


def _limits(kind: str, schema: Schema) -> Iterator[str]:
    least_name, most_name, unit = _UNITS.get(kind, ("minimum", "maximum", ""))
    least, most = schema.get(least_name), schema.get(most_name)
    if least is not None and most is not None:
        yield f"{least:,} to {most:,}{unit}"
    elif most is not None:
        yield f"at most {most:,}{unit}"
    elif least is not None:
        yield f"at least {least:,}{unit}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
