"""The JavaScript client and the page that uses it, from gateway/web: `/client.js`, `/web/<module>.js`, `/app`; no token is asked.

`/` leads whoever opens the printed address to the documents.

Only the files that lie there when the process starts are served, under their own names. Registered by gateway.http.routes.
"""

from functools import partial
from importlib.resources import files
from typing import Final

from aiohttp import web

from gateway.http.documents import document

_SCRIPT: Final = "text/javascript"
_ENTRANCE: Final = (
    b'export * from "./web/client.js";\n'
    b'export { sendLeftBehind } from "./web/left_behind.js";\n'
    b'export { browserStore, memoryStore } from "./web/stores.js";\n'
    b'export { joinTextArea } from "./web/text_area.js";\n'
    b'export { TextEditor } from "./web/text_editor.js";\n'
)
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; connect-src 'self' ws: wss:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def register(app: web.Application) -> None:
    """Add the addresses."""
    folder = files("gateway") / "web"
    served = {f"/web/{entry.name}": (entry.read_bytes(), _SCRIPT) for entry in folder.iterdir() if entry.name.endswith(".js")}
    served["/client.js"] = (_ENTRANCE, _SCRIPT)
    served["/app"] = ((folder / "app.html").read_bytes(), "text/html")
    for address, (body, content_type) in served.items():
        app.router.add_get(address, partial(_serve, body, content_type))
    app.router.add_get("/", _entrance)


async def _entrance(_: web.Request) -> web.Response:
    raise web.HTTPFound("/docs")


async def _serve(body: bytes, content_type: str, request: web.Request) -> web.Response:
    headers = {"Content-Security-Policy": _POLICY} if content_type == "text/html" else None
    return document(request, body, content_type, headers)
