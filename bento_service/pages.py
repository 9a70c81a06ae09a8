"""The pages for a browser: one to ask on, and the API reference. Their files are read when someone opens them."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page: it loads and runs files of this service only."""
REFERENCE = "docs.html"
_REFERENCE_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""Swagger UI writes styles into its elements."""


class PageFiles(StaticFiles):
    """Static files that a browser asks for again by their ETag, and that can load nothing from elsewhere."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """Return the file, or 304 when the browser has it."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Content-Security-Policy"] = _REFERENCE_POLICY if Path(full_path).name == REFERENCE else POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-cache"  # kept, and checked by its ETag at each use
        return response


_files = PageFiles(directory=FOLDER)


async def page(request: Request) -> Response:
    """Show the page to ask on."""
    return await _files.get_response("index.html", request.scope)


async def reference(request: Request) -> Response:
    """Show the API reference: BentoML's Swagger UI, without the tracker that BentoML's own page loads."""
    return await _files.get_response(REFERENCE, request.scope)


PAGES = [Route("/", page), Route("/docs", reference), Mount("/page", _files)]
