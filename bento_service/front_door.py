"""The first middleware: only paths that the service has reach BentoML, its metrics and its access log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from bento_service import errors
from bento_service.routes import error_response


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
            return errors.NotFound("no such path; POST to /answer, /answers or /, GET /health, or open / or /docs")
        if scope["method"] not in self._methods[path]:
            return errors.MethodNotAllowed(path, self._methods[path])
        return None


def known_paths(app: Starlette) -> dict[str, frozenset[str]]:
    """Return each path that the application has, with the methods it takes."""
    paths: dict[str, frozenset[str]] = {}
    for route in app.routes:
        if isinstance(route, Route):
            paths[route.path] = paths.get(route.path, frozenset()) | frozenset(route.methods or ())
        elif isinstance(route, Mount) and isinstance(route.app, StaticFiles):
            paths |= {f"{route.path}/{file}": frozenset(("GET", "HEAD")) for file in _files(route.app)}
        elif isinstance(route, Mount) and isinstance(route.app, Starlette):
            for path, methods in known_paths(route.app).items():
                # One path may have several routes: the page takes GET at /, and the hub's client POST.
                paths[f"{route.path}{path}"] = paths.get(f"{route.path}{path}", frozenset()) | methods
    return paths


def _files(static: StaticFiles) -> list[str]:
    folders = [Path(folder) for folder in static.all_directories]
    return [path.relative_to(folder).as_posix() for folder in folders for path in folder.rglob("*") if path.is_file()]
