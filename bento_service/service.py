"""The BentoML service: routes and limits, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bentoml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bento_service import artifact, gpu
from bento_service.application import Application, ServedModel, checked, described
from bento_service.contract import JSON, Ticket
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

    @bentoml.api(route="/answer", input_spec=checked(AnswerRequest), output_spec=described(AnswerResponse))  # type: ignore[untyped-decorator]  # so is BentoML's SDK
    def answer(self, ticket: Ticket[AnswerRequest], /) -> Response:
        """Answer one question from one context."""
        return ticket.redeem(self._answer, self._headers)

    @bentoml.api(route="/answers", input_spec=checked(AnswersRequest), output_spec=described(AnswersResponse))  # type: ignore[untyped-decorator]  # see above
    def answers(self, ticket: Ticket[AnswersRequest], /) -> Response:
        """Answer a batch of questions, each from its own context."""
        return ticket.redeem(self._answers, self._headers)

    def _answer(self, request: AnswerRequest, abandoned: Callable[[], bool]) -> AnswerResponse:
        return AnswerResponse.of(request, self._reader.answer(request.to_query(), abandoned))

    def _answers(self, request: AnswersRequest, abandoned: Callable[[], bool]) -> AnswersResponse:
        found = self._reader.answer_all([query.to_query() for query in request.queries], abandoned)
        return AnswersResponse(answers=[AnswerResponse.of(*pair) for pair in zip(request.queries, found, strict=True)])

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
