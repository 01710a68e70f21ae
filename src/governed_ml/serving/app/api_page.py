"""The API page at `/docs`: Swagger UI from the installed package, nothing from another host.

It exists only where nobody needs a token: a browser sends none when it asks for `/openapi.json`.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
)


def add(app: FastAPI, title: str) -> None:
    """Add the page and its assets to an application."""
    import fastapi_offline
    from fastapi.openapi.docs import get_swagger_ui_html
    from starlette.responses import Response

    from governed_ml.serving.http.problems import RequestRefused

    static = files(fastapi_offline) / "static"

    async def page(_: Request) -> Response:
        found = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=title,
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="/docs/favicon.png",
        )
        found.headers["content-security-policy"] = POLICY
        return found

    async def asset(request: Request) -> Response:
        name = str(request.path_params["name"])
        if name not in ASSETS:
            raise RequestRefused(404, "not-found", "there is nothing at this address")
        return Response((static / name).read_bytes(), media_type=ASSETS[name])

    app.add_route("/docs", page, ["GET"])
    app.add_route("/docs/{name}", asset, ["GET"])
