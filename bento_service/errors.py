"""The errors of the package, with their HTTP statuses.

    ServiceError (500)
    ├── InvalidRequest (422)
    │   ├── EmptyText (400)
    │   ├── MalformedJson
    │   ├── UnusableArgument: of the pipeline, also a ValueError
    │   └── UnusableWindow
    ├── NotFound (404)
    ├── MethodNotAllowed (405)
    ├── TooLarge (413)
    │   └── QuestionTooLong
    ├── UnsupportedMediaType (415)
    ├── TooManyRequests (429)
    ├── TooSlow (504)
    ├── UnusableFile: a text for `ask` that can't be read
    ├── UnusableRows: a file of questions that can't be answered as it is
    ├── RemoteError: a service at another address that does not answer
    ├── ServiceSettingsError: an environment variable with an unusable value
    ├── ArtifactError: a stored model that is missing, incomplete or changed
    └── NotEnoughMemory: a model that needs more than the process may use

Messages say what happened and what to do next. They never hold the question's or the context's text.
"""

from __future__ import annotations

import math
from collections.abc import Iterable


class ServiceError(Exception):
    """The server failed; the base of the package's errors.

    `status` is the HTTP status, `error` the short name that a client can switch on. The first line of a class's
    docstring describes its status in the OpenAPI document.
    """

    status = 500
    error = "internal_error"

    @property
    def headers(self) -> dict[str, str]:
        """Headers that the response carries beside its body."""
        return {}


class InvalidRequest(ServiceError):
    """A field is missing, mistyped, unknown or out of range."""

    status = 422
    error = "invalid_request"


class EmptyText(InvalidRequest):
    """The question or the context has no visible character."""

    status = 400
    error = "empty_text"


class MalformedJson(InvalidRequest):
    """The body is not JSON in UTF-8."""

    error = "malformed_json"


class UnusableArgument(InvalidRequest, ValueError):
    """An argument of the pipeline is missing, unknown or out of range; a ValueError, as it was in transformers."""


class UnusableWindow(InvalidRequest):
    """The windows that were asked for are longer than the model's, or overlap by too much."""


class NotFound(ServiceError):
    """No such path."""

    status = 404
    error = "not_found"


class MethodNotAllowed(ServiceError):
    """The path exists, but not for this method."""

    status = 405
    error = "method_not_allowed"

    def __init__(self, path: str, allowed: Iterable[str]) -> None:
        self.allowed = ", ".join(sorted(allowed))
        super().__init__(f"{path} takes {self.allowed} only")

    @property
    def headers(self) -> dict[str, str]:
        """The header Allow with the path's methods, which RFC 9110 requires."""
        return {"Allow": self.allowed}


class TooLarge(ServiceError):
    """The body, the context or the question is over its limit."""

    status = 413
    error = "too_large"


class QuestionTooLong(TooLarge):
    """The question has more tokens than a window leaves room for."""


class UnsupportedMediaType(ServiceError):
    """The body is not declared as application/json."""

    status = 415
    error = "unsupported_media_type"


class TooManyRequests(ServiceError):
    """More is in flight than the service can answer in time."""

    status = 429
    error = "too_many_requests"

    def __init__(self, requests: int, wait_s: float) -> None:
        self.retry_after_s = max(1, math.ceil(wait_s))
        super().__init__(f"{requests} requests are in flight; try again after {self.retry_after_s} s")

    @property
    def headers(self) -> dict[str, str]:
        """The header Retry-After with the seconds to wait."""
        return {"Retry-After": str(self.retry_after_s)}


class TooSlow(ServiceError):
    """The answer was not ready before the deadline."""

    status = 504
    error = "too_slow"


class UnusableFile(ServiceError):
    """A file that `ask` is given can't be read, is no text in UTF-8, or is empty."""

    error = "unusable_file"


class UnusableRows(ServiceError):
    """A file of questions can't be read, written, or answered as it is."""

    error = "unusable_rows"


class RemoteError(ServiceError):
    """A service at another address does not answer."""

    error = "remote_error"


class ServiceSettingsError(ServiceError):
    """An environment variable of the service has a value that it can't take."""

    error = "bad_settings"


class ArtifactError(ServiceError):
    """A stored model is missing, incomplete, or not what its checksums say."""

    error = "bad_model"


class NotEnoughMemory(ServiceError):
    """The model needs more memory than the process may use."""

    error = "not_enough_memory"
