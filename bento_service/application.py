"""The service as BentoML builds it: its ASGI application, and its description for people and for BentoML's client."""

from __future__ import annotations

import inspect
import os
from typing import Any

import attrs
import bentoml

# The specification that `openapi_spec` returns is of these classes; BentoML 1.4.39 has no public ones.
from bentoml._internal.service.openapi.specification import OpenAPISpecification, PathItem
from pydantic import BaseModel
from starlette.types import ASGIApp

from bento_service import errors
from bento_service.bodies import JSON
from bento_service.front_door import FrontDoor, known_paths
from bento_service.schema import (
    VERSION,
    AnswerRequest,
    AnswerResponse,
    AnswersRequest,
    AnswersResponse,
    ErrorResponse,
    HealthResponse,
    HubRequest,
    HubResponse,
)
from bento_service.settings import ServiceSettings

_MARGIN_S = 5
"""What BentoML's own timeout is longer than ours, which answers in the contract's shape (s)."""
_OPERATIONS: dict[str, tuple[str, type[BaseModel], type[BaseModel], str]] = {
    "answer": ("/answer", AnswerRequest, AnswerResponse, "Answer one question from one context."),
    "answers": ("/answers", AnswersRequest, AnswersResponse, "Answer a batch of questions, each from its own context."),
    "question_answering": ("/", HubRequest, HubResponse, "Answer as `huggingface_hub.InferenceClient` asks."),
}
"""Each operation's route, what it takes and what it returns."""
_ERRORS: tuple[type[errors.ServiceError], ...] = (
    errors.EmptyText,
    errors.TooLarge,
    errors.UnsupportedMediaType,
    errors.InvalidRequest,
    errors.TooManyRequests,
    errors.ServiceError,
    errors.TooSlow,
)


class Application(bentoml.Service):  # type: ignore[misc]  # BentoML's SDK has no types
    """A BentoML service whose routes are a mounted Starlette application's.

    BentoML's own routing would answer 429, 504 and wrong requests in another shape, and log the values that were sent.
    """

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Build the application, with the settings that the environment holds now."""
        self.config.setdefault("traffic", {})["timeout"] = ServiceSettings.from_environment().timeout_s + _MARGIN_S
        # A question and a context need no threads of the tokenizer; they have the engine's cores.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        # Spans that go nowhere cost as much as the request. Who sets an exporter up sets this to false.
        if os.environ.setdefault("OTEL_SDK_DISABLED", "true") == "true":
            self.config.setdefault("tracing", {})["excluded_urls"] = ".*"
        app = super().to_asgi(is_main)
        return FrontDoor(app, known_paths(app))

    def schema(self) -> dict[str, Any]:
        """Describe the operations to `bentoml.SyncHTTPClient`, which calls them by keywords."""
        described: dict[str, Any] = super().schema()
        described["routes"] = [
            {
                "name": name,
                "route": route,
                "doc": doc,
                "input": request.model_json_schema(),
                "output": response.model_json_schema(mode="serialization"),
            }
            for name, (route, request, response, doc) in _OPERATIONS.items()
        ]
        return described

    @property
    def openapi_spec(self) -> OpenAPISpecification:
        """Describe the routes as they are, with the contract's errors."""
        spec: OpenAPISpecification = super().openapi_spec
        info = attrs.evolve(spec.info, version=VERSION, description=inspect.getdoc(self.inner), contact=None)
        spec = attrs.evolve(spec, info=info)
        components: Any = spec.components  # a plain dict
        for name, (route, request, response, doc) in _OPERATIONS.items():
            spec.paths[route] = PathItem(post=_operation(name, request, response, doc))
            for model in (request, response):
                components.setdefault("schemas", {})[model.__name__] = model.model_json_schema()
        spec.paths["/health"] = PathItem(
            get={
                "tags": ["Infrastructure"],
                "description": "Whether the service answers, and which model, Bento and data answer.",
                "responses": {
                    200: _response("The service answers.", HealthResponse),
                    503: _response("The model is not loaded yet.", HealthResponse),
                },
            }
        )
        return spec


def _operation(name: str, request: type[BaseModel], response: type[BaseModel], doc: str) -> dict[str, Any]:
    """Describe an operation in OpenAPI's words."""
    failures = {
        error.status: _response((error.__doc__ or "").partition("\n")[0], ErrorResponse, error=error.error)
        for error in _ERRORS
    }
    return {
        "tags": ["Service APIs"],
        "operationId": f"extractive-qa__{name}",
        "description": doc,
        "requestBody": {"required": True, "content": {JSON: {"schema": request.model_json_schema()}}},
        "responses": {200: _response(doc, response), **failures},
    }


def _response(description: str, model: type[BaseModel], error: str | None = None) -> dict[str, Any]:
    """Describe one response in OpenAPI's words."""
    content: dict[str, Any] = {"schema": model.model_json_schema(mode="serialization")}
    if error is not None:
        content["example"] = {"error": error, "detail": "what is wrong, and what to do about it"}
    return {"description": description, "content": {JSON: content}}
