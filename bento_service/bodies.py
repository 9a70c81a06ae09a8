"""Reads and validates the body of a request, and turns its problems into the contract's errors."""

from __future__ import annotations

import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from starlette.datastructures import Headers
from starlette.requests import Request

from bento_service.errors import EmptyText, InvalidRequest, MalformedJson, ServiceError, TooLarge, UnsupportedMediaType
from bento_service.schema import BATCH_TOO_LARGE, EMPTY, MAX_BODY_BYTES, SUCCESSORS

JSON = "application/json"
MAX_LISTED_ERRORS = 10
MAX_NAME_CHARACTERS = 60

_PLAIN = {"missing": "is missing", "extra_forbidden": "is not a field of this request"}
_TOO_LARGE = ("string_too_long", "too_long", BATCH_TOO_LARGE)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")

Body = TypeVar("Body", bound=BaseModel)


def check_media_type(headers: Headers) -> None:
    """Raise UnsupportedMediaType unless the body is declared as uncompressed JSON in UTF-8."""
    media_type, *parameters = (part.strip().lower() for part in headers.get("content-type", "").split(";"))
    charsets = [value.strip('"') for name, _, value in (p.partition("=") for p in parameters) if name == "charset"]
    if media_type != JSON or any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise UnsupportedMediaType("send the body as JSON in UTF-8, with the header Content-Type: application/json")
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType("the body has a Content-Encoding; send it as it is, not compressed")


async def read_body(request: Request) -> bytes:
    """Read the body, up to MAX_BODY_BYTES. Its Content-Length may be wrong.

    Raises TooLarge, and ClientDisconnect when the client leaves before the end.
    """
    declared = request.headers.get("content-length", "0")
    too_large = TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes; send a shorter context or smaller batches")
    if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise too_large
    return bytes(body)


def parse(model: type[Body], body: bytes) -> Body:
    """Parse the body as the model. A byte order mark is ignored.

    Raises MalformedJson, InvalidRequest, TooLarge or EmptyText.
    """
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problem = _explain(error.errors(include_url=False, include_input=False))
        if "hex escape" in str(problem) and _SURROGATE.search(body):
            problem = MalformedJson(f"{problem}; half of a surrogate pair is no character: send both halves")
        raise problem from None


def _explain(errors: list[ErrorDetails]) -> ServiceError:
    """Combine pydantic's errors into one: of a wrong shape, else of a wrong size, else of an empty text."""
    kinds = {error["type"] for error in errors}
    if "json_invalid" in kinds:
        reason = errors[0].get("ctx", {}).get("error", "unreadable")
        return MalformedJson(f"the body is not JSON in UTF-8: {reason}")
    detail = "; ".join(_describe(error) for error in errors[:MAX_LISTED_ERRORS])
    if len(errors) > MAX_LISTED_ERRORS:
        detail += f"; and {len(errors) - MAX_LISTED_ERRORS} more"
    if kinds <= {EMPTY}:
        return EmptyText(detail)
    return TooLarge(detail) if kinds <= {EMPTY, *_TOO_LARGE} else InvalidRequest(detail)


def _describe(error: ErrorDetails) -> str:
    """Name the field and its problem. A long name is cut, since a client may have sent a text in its place."""
    names = [str(part) for part in error["loc"]]
    field = ".".join(name if len(name) <= MAX_NAME_CHARACTERS else name[:MAX_NAME_CHARACTERS] + "…" for name in names)
    message = _PLAIN.get(error["type"], error["msg"])
    if error["type"] == "extra_forbidden" and names[-1] in SUCCESSORS:
        message += f": {SUCCESSORS[names[-1]]}"
    return f"{field or 'body'}: {message}"
