"""The BentoML service: routes and limits, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import bentoml
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bento_service import artifact, gpu
from bento_service.application import Application, ServedModel, described
from bento_service.contract import JSON
from bento_service.query import Answer
from bento_service.schema import (
    EXAMPLE_REQUEST,
    VERSION,
    AnswerRequest,
    AnswerResponse,
    AnswersRequest,
    AnswersResponse,
    HealthResponse,
)


async def health(_request: Request) -> Response:
    """Say whether the service answers, and with what."""
    try:
        report = bentoml.get_current_service().report()
    except bentoml.exceptions.BentoMLException:  # the server is up, the service is not
        report = HealthResponse(status="unavailable", model_loaded=False, version=VERSION)
    return Response(report.model_dump_json(), 200 if report.model_loaded else 503, media_type=JSON)


@bentoml.asgi_app(Starlette(routes=[Route("/health", health)]))
@bentoml.service(
    name="extractive-qa",
    service_class=Application,
    # A client can write anything into its Content-Type; a log is no place for it.
    logging={"access": {"request_content_type": False}},
)
class ExtractiveQA:
    """Answers questions with a span of a given context, its offsets and a confidence."""

    model = ServedModel("extractive-qa:latest")
    bento_service: Application  # set by BentoML

    def __init__(self) -> None:
        """Load the model and answer once, so that whoever sees the service ready gets an answer at once."""
        loaded = artifact.load(Path(self.model.path))
        self._provenance = loaded.provenance
        self._headers = {"X-Model": str(self.model.tag)}
        self._reader = loaded.reader(gpu.engine(self.model.tag))
        self._reader.answer(AnswerRequest.model_validate(EXAMPLE_REQUEST).to_query())

    @bentoml.api(  # type: ignore[untyped-decorator]  # so is BentoML's SDK
        route="/answer", input_spec=described(AnswerRequest, as_input=True), output_spec=described(AnswerResponse)
    )
    def answer(self, request: AnswerRequest, abandoned: Callable[[], bool], /) -> Future[Response]:
        """Answer one question from one context."""

        def conclude(found: list[list[Answer]]) -> Response:
            return self._response(AnswerResponse.of(request, found[0]))

        return self._reader.begin([request.to_query()], conclude, abandoned)

    @bentoml.api(  # type: ignore[untyped-decorator]  # see above
        route="/answers", input_spec=described(AnswersRequest, as_input=True), output_spec=described(AnswersResponse)
    )
    def answers(self, request: AnswersRequest, abandoned: Callable[[], bool], /) -> Future[Response]:
        """Answer a batch of questions, each from its own context."""
        queries = request.queries

        def conclude(found: list[list[Answer]]) -> Response:
            answers = [AnswerResponse.of(*pair) for pair in zip(queries, found, strict=True)]
            return self._response(AnswersResponse(answers=answers))

        return self._reader.begin([query.to_query() for query in queries], conclude, abandoned)

    def _response(self, content: BaseModel) -> Response:
        return Response(content.model_dump_json(exclude_none=True), media_type=JSON, headers=self._headers)

    def report(self) -> HealthResponse:
        """Return what /health says."""
        bento = self.bento_service.bento
        origin = {name: self._provenance.get(name) for name in ("base_model", "created", "commit")}
        return HealthResponse(
            status="ok",
            model_loaded=True,
            version=VERSION,
            model={"tag": str(self.model.tag)} | origin,
            bento=None if bento is None else str(bento.tag),
            data=self._provenance.get("data"),
        )
