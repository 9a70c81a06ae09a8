"""The BentoML service as this project runs it: its settings, its model, its front door and its documentation."""

from __future__ import annotations

import ctypes
import inspect
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import attrs
import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.service.openapi.specification import OpenAPISpecification, PathItem
from bentoml.exceptions import BentoMLException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from bento_service import artifact, errors, stage
from bento_service.contract import JSON, Contract, Endpoint, error_response
from bento_service.cpus import cpu_count
from bento_service.schema import VERSION, ErrorResponse, HealthResponse

_M_ARENA_MAX = -8
"""The option's number in glibc's malloc.h."""


def _tag(text: str) -> str:
    return str(bentoml.Tag.from_str(text))


class Settings(BaseModel):
    """What the environment decides, as QNA_MODEL, QNA_MAX_CONCURRENCY and QNA_TIMEOUT_S; read when a server starts."""

    model_config = ConfigDict(frozen=True)

    model: Annotated[str, AfterValidator(_tag)] | None = Field(
        default=None, description="tag of the model to serve; None: the service's own"
    )
    max_concurrency: int = Field(default=32, ge=1, description="requests in flight before more are answered 429")
    timeout_s: float = Field(default=60, gt=0, description="seconds before a request is answered 504")

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the settings. Raises SettingsError naming the variable."""
        variables = {name: f"QNA_{name.upper()}" for name in cls.model_fields}
        found = {name: os.environ[variable] for name, variable in variables.items() if variable in os.environ}
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            problem = error.errors()[0]
            raise errors.SettingsError(f"{variables[str(problem['loc'][0])]}: {problem['msg']}") from error


class ServedModel(bentoml.models.BentoModel):  # type: ignore[misc]  # BentoML's SDK has no types
    """The model of the store that a Bento pins, or the one that QNA_MODEL names.

    Where the tag says `latest`, that is the model in production, or the newest one when none is.
    """

    @property
    def stored(self) -> bentoml.Model | None:
        """The model in the store; None when it has none. A Bento pins this one."""
        if self.tag.version in (None, "latest") and (chosen := stage.production(self.tag.name)) is not None:
            return chosen
        found: bentoml.Model | None = super().stored
        return found

    def resolve(self, base_path: Any = None) -> bentoml.Model:
        """Return the stored model, verified; without one, say how to get it instead of asking BentoCloud.

        `bentoml serve` calls this before it starts a worker: what is wrong ends the command, not a worker behind it.
        """
        try:
            chosen = Settings.from_environment().model
            if chosen is not None and base_path is None:
                return _verified(ServedModel(chosen))
            stored = _verified(self)
        except errors.ServiceError as error:
            raise BentoMLException(str(error)) from error
        return stored if base_path is None else super().resolve(base_path)


def _verified(model: Any) -> bentoml.Model:
    stored: bentoml.Model | None = model.stored
    if stored is None:
        raise errors.ArtifactError(
            f"the BentoML store has no model {model.tag}; run `make train` (or `python -m training train`), "
            "or point BENTOML_HOME or QNA_MODEL at another one"
        )
    artifact.verify(Path(stored.path))
    return stored


class _Body(bentoml.IODescriptor):  # type: ignore[misc]  # BentoML's SDK has no types
    """An input that is the request's body, not a field of it."""

    __root_input__: ClassVar[bool] = True


def described(model: type[BaseModel], *, as_input: bool = False) -> Any:
    """Return the input or output specification of an API: the model's schema."""
    base = _Body if as_input else bentoml.IODescriptor
    return create_model(model.__name__, __base__=(base, model), __doc__=model.__doc__)


class Application(bentoml.Service):  # type: ignore[misc]  # BentoML's SDK has no types
    """A BentoML service behind the contract. From the outside in, a request passes

    `FrontDoor`, BentoML's metrics, tracing (if set up) and access log, and `Contract`, which calls the APIs; all other
    paths are behind it. An API is a function of a checked request, as `contract.Work` describes.
    """

    _instance: Future[Any] | None = None

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """Build the application, with the settings that the environment holds now."""
        settings = Settings.from_environment()
        _share_arenas()
        _tokenise_on_one_thread()
        _let_threads_finish()
        endpoints = {api.route: Endpoint(api.input_spec, partial(_call, api.func)) for api in self.apis.values()}
        limits = settings.model_dump(include={"max_concurrency", "timeout_s"})
        self.middlewares = [(Contract, {"endpoints": endpoints, **limits})]
        # The model is loaded while BentoML imports its server: on two CPUs, the first answer is a twentieth sooner.
        with ThreadPoolExecutor(1, thread_name_prefix="instance") as thread:
            self._instance = thread.submit(super().__call__)
            app = super().to_asgi(is_main)
        idle = _idle_middleware()
        app.user_middleware = [entry for entry in app.user_middleware if entry.cls not in idle]
        return FrontDoor(app, known_paths(app))

    def __call__(self) -> Any:
        """Return the instance that `to_asgi` has begun to make; another one each time after that."""
        begun, self._instance = self._instance, None
        return super().__call__() if begun is None else begun.result()

    @property
    def openapi_spec(self) -> OpenAPISpecification:
        """Describe the routes as they are: with the contract's errors, and with /health."""
        spec: OpenAPISpecification = super().openapi_spec
        about = attrs.evolve(spec.info, version=VERSION, description=inspect.getdoc(self.inner), contact=None)
        spec = attrs.evolve(spec, info=about)
        for route in (api.route for api in self.apis.values()):
            operation: Any = spec.paths[route].post
            operation["responses"] = {200: operation["responses"][200], **_error_responses()}
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


def _call(function: Callable[..., Future[Response]], *arguments: Any) -> Future[Response]:
    """Call one of the service's APIs on the instance that BentoML has made of it."""
    return function(bentoml.get_current_service(), *arguments)


def _share_arenas() -> None:
    """Let threads share glibc's arenas, of which each keeps what it once held: one for the event loop, one for each
    thread of the engine, and one for each that onnxruntime has besides. With half as many an answer takes 2 % longer.
    """
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2 * cpu_count())


def _tokenise_on_one_thread() -> None:
    """Keep the tokenizer from waking threads of its own for a question and a context; they have the engine's cores."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def _let_threads_finish() -> None:
    """Schedule this thread and those that it starts as SCHED_BATCH of sched(7): none interrupts another to begin.

    An interruption costs both threads their caches. Without it, what the event loop has to do waits for a tick, 4 ms
    at most, and is done together: 2 % more answers a second when there is more to do than CPUs, and none is slower.
    """
    with suppress(AttributeError, OSError):  # another system, or a container that forbids it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _idle_middleware() -> set[type]:
    """Return which of BentoML's middleware does nothing for this service but cost."""
    # Not at the top: the process that supervises the server would wait for them too.
    from bentoml._internal.server.http.traffic import TimeoutMiddleware
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

    # Contract has the deadline. This one answers in another shape, can't be switched off, and leaves a timer of its
    # full length behind for every request.
    idle: set[type] = {TimeoutMiddleware}
    if BentoMLContainer.config.tracing.exporter_type.get() is None:
        # Five spans a request that go nowhere were half of the CPU time between the socket and the reader.
        idle.add(OpenTelemetryMiddleware)
    return idle


class FrontDoor:
    """ASGI application that lets in what the service has, and answers the rest itself.

    BentoML's metrics have a series and its access log a line for every path that anyone asks for: both would be the
    asker's to fill, with any text.
    """

    def __init__(self, app: ASGIApp, methods: Mapping[str, frozenset[str]]) -> None:
        self._app = app
        self._methods = methods

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests for a known path by a method it takes, and the server's own start and stop."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        elif scope["type"] == "http" and (error := self._error(scope)) is not None:
            await error_response(error)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _error(self, scope: Scope) -> errors.ServiceError | None:
        path = scope["path"]
        if path not in self._methods:
            return errors.NotFound("no such path; POST to /answer or /answers, GET /health, or read /docs.json")
        if scope["method"] not in self._methods[path]:
            return errors.MethodNotAllowed(path, self._methods[path])
        return None


def known_paths(app: Starlette) -> dict[str, frozenset[str]]:
    """Return each path that the application has, with the methods it takes."""
    paths: dict[str, frozenset[str]] = {}
    for route in app.routes:
        if isinstance(route, Route):
            paths[route.path] = frozenset(route.methods or ())
        elif isinstance(route, Mount) and isinstance(route.app, StaticFiles):
            paths |= {f"{route.path}/{file}": frozenset(("GET", "HEAD")) for file in _files(route.app)}
        elif isinstance(route, Mount) and isinstance(route.app, Starlette):
            paths |= {f"{route.path}{path}": methods for path, methods in known_paths(route.app).items()}
    return paths


def _files(static: StaticFiles) -> list[str]:
    folders = [Path(folder) for folder in static.all_directories]
    return [path.relative_to(folder).as_posix() for folder in folders for path in folder.rglob("*") if path.is_file()]


_ERRORS: tuple[type[errors.ServiceError], ...] = (
    errors.EmptyText,
    errors.TooLarge,
    errors.UnsupportedMediaType,
    errors.InvalidRequest,
    errors.TooManyRequests,
    errors.ServiceError,
    errors.TooSlow,
)


def _error_responses() -> dict[int, dict[str, Any]]:
    return {
        error.status: _response((error.__doc__ or "").partition("\n")[0], ErrorResponse, error=error.error)
        for error in _ERRORS
    }


def _response(description: str, model: type[BaseModel], error: str | None = None) -> dict[str, Any]:
    """Describe one response in OpenAPI's words."""
    content: dict[str, Any] = {"schema": model.model_json_schema(mode="serialization")}
    if error is not None:
        content["example"] = {"error": error, "detail": "what is wrong, and what to do about it"}
    return {"description": description, "content": {JSON: content}}
