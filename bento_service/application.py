"""The service as BentoML builds it: its ASGI application, and its description for people and for BentoML's client."""

from __future__ import annotations

import inspect
import os
from typing import Any

import bentoml
from bentoml._internal.service.openapi.specification import OpenAPISpecification  # BentoML 1.4.39 has no public one
from starlette.types import ASGIApp

from bento_service.front_door import FrontDoor
from bento_service.hub_schema import HubRequest, HubResponse
from bento_service.openapi import Operation, specification
from bento_service.request_log import RequestLog
from bento_service.responses import AnswerOrAnswers, AnswersResponse
from bento_service.schema import AnswerRequest, AnswersRequest
from bento_service.settings import ServiceSettings

_MARGIN_S = 5
"""How much longer BentoML's timeout is (s), so that ours responds first, in the contract's shape."""
_OPERATIONS = {
    "answer": Operation(
        "/answer",
        AnswerRequest,
        AnswerOrAnswers,
        "Answer one question from one context or several, or several questions from one context.",
    ),
    "answers": Operation(
        "/answers", AnswersRequest, AnswersResponse, "Answer a batch of questions, each from its own context."
    ),
    "question_answering": Operation("/", HubRequest, HubResponse, "Answer as `huggingface_hub.InferenceClient` asks."),
}


class Application(bentoml.Service):  # type: ignore[misc]  # BentoML's SDK has no types
    """A BentoML service whose routes are a mounted Starlette application's.

    BentoML's own routing would respond to 429, 504 and invalid requests in another shape, and log the sent values.
    """

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Build the application, with the settings that the environment holds now."""
        self.config.setdefault("traffic", {})["timeout"] = ServiceSettings.from_environment().timeout_s + _MARGIN_S
        # The tokenizer needs no threads of its own for a question and a context.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        # Without an exporter, tracing only costs time. To export traces, set this variable to false.
        if os.environ.setdefault("OTEL_SDK_DISABLED", "true") == "true":
            self.config.setdefault("tracing", {})["excluded_urls"] = ".*"
        return RequestLog(FrontDoor(super().to_asgi(is_main)))

    def schema(self) -> dict[str, Any]:
        """Describe the operations to `bentoml.SyncHTTPClient`, which calls them by keywords."""
        described: dict[str, Any] = super().schema()
        described["routes"] = [
            {
                "name": name,
                "route": operation.route,
                "doc": operation.doc,
                "input": operation.request.model_json_schema(),
                "output": operation.response.model_json_schema(mode="serialization"),
            }
            for name, operation in _OPERATIONS.items()
        ]
        return described

    @property
    def openapi_spec(self) -> OpenAPISpecification:
        """Describe the routes as they are, with the contract's errors."""
        return specification(super().openapi_spec, inspect.getdoc(self.inner), _OPERATIONS)
