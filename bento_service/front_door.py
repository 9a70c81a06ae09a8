"""Middleware: only paths that the service has reach BentoML and its metrics."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from bento_service import errors
from bento_service.request_log import note
from bento_service.routes import error_response


class FrontDoor:
    """ASGI application that passes on requests for known paths, and refuses all others.

    BentoML's metrics have a series for every requested path, which a client could otherwise fill with any text. If CORS
    is enabled in BentoML's configuration, preflight requests for known paths are passed on too.
    """

    def __init__(self, app: Starlette) -> None:
        self._app = app
        self._methods = known_paths(app)
        classes: list[object] = [middleware.cls for middleware in app.user_middleware]
        self._cross_origin = CORSMiddleware in classes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests for a known path and method, and the start and stop of the server."""
        if scope.get("path") in self._methods:
            note(scope, route=scope["path"])  # known paths only: another could hold any text
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
        if self._cross_origin and _is_preflight(scope):
            return None  # BentoML's CORS middleware answers it
        if scope["method"] not in self._methods[path]:
            return errors.MethodNotAllowed(path, self._methods[path])
        return None


def _is_preflight(scope: Scope) -> bool:
    """Return whether the request is a CORS preflight."""
    headers = Headers(scope=scope)
    return scope["method"] == "OPTIONS" and "origin" in headers and "access-control-request-method" in headers


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
