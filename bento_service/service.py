"""The BentoML service: its name, its model and its routes (`routes`)."""

from __future__ import annotations

from pathlib import Path

import bentoml
from starlette.applications import Starlette

from bento_service import artifact
from bento_service.admission import Admission
from bento_service.application import Application
from bento_service.metrics import Metrics
from bento_service.model_store import ServedModel
from bento_service.pages import PAGES
from bento_service.reading import gpu
from bento_service.reading.reader import Query
from bento_service.responses import HealthResponse
from bento_service.routes import ROUTES
from bento_service.schema import EXAMPLE_REQUEST, VERSION, AnswerRequest
from bento_service.settings import ServiceSettings

WARM_UP_WORDS = 600
"""Words of the warm-up's text: two windows, enough to measure how fast this machine reads."""


app = Starlette(routes=[*ROUTES, *PAGES])


@bentoml.asgi_app(app)
@bentoml.service(
    name="extractive-qa",
    service_class=Application,
    logging={"access": {"enabled": False}},  # `request_log` logs requests
)
class ExtractiveQA:
    """Answers questions with a span of a given context, its offsets and a confidence."""

    model = ServedModel("extractive-qa:latest")
    bento_service: Application  # set by BentoML

    def __init__(self) -> None:
        """Load the model and answer two queries, so that the first request is fast and the reading speed is known."""
        self.settings = ServiceSettings.from_environment()
        loaded = artifact.load(Path(self.model.path))
        self._provenance, self._reference = loaded.provenance, loaded.reference
        self.headers = {"X-Model": str(self.model.tag)}
        self.reader = loaded.reader(gpu.engine(self.model.tag))
        limits = self.settings.model_dump(include={"max_concurrency", "timeout_s"})
        self.admission = Admission(self.reader, **limits)
        example = AnswerRequest.model_validate(EXAMPLE_REQUEST).to_queries()
        self.reader.answer_all([*example, Query("What is read?", "word " * WARM_UP_WORDS)])

    @bentoml.on_startup  # type: ignore[untyped-decorator]  # BentoML's SDK has no types
    def open(self) -> None:
        """Let the routes use the service. By now, BentoML has set its Bento."""
        self.metrics = Metrics(str(self.model.tag), self._bento, self._reference)
        app.state.service = self

    def report(self) -> HealthResponse:
        """Return what /health answers."""
        origin = {name: self._provenance.get(name) for name in ("base_model", "created", "commit")}
        return HealthResponse(
            status="ok",
            model_loaded=True,
            version=VERSION,
            model={"tag": str(self.model.tag)} | origin,
            bento=self._bento,
            data=self._provenance.get("data"),
        )

    @property
    def _bento(self) -> str | None:
        """Tag of the Bento; None when the source tree is served."""
        bento = self.bento_service.bento
        return None if bento is None else str(bento.tag)
