"""The console: the files of a page that shows runs, served with the server's own address and from nowhere else.

The files are built from `web/console` into `riverrun/_console` (`make console`) and shipped in the wheel. They are the
same for everybody and tell of nobody's runs; what the page asks for goes through the same routes and the same gate as
all other requests. A path that is no file is a place in the page, so it gets the page. A browser that opens the bare
address of a server is led there. It knows no runs and no routes.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from msgspec import Struct
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from riverrun.base.errors import NotFound
from riverrun.server.answers import error_answer

PATH = "/console"
_PAGE = "index.html"
_HIDDEN = frozenset({_PAGE, "manifest.json"})
_BASE = b'<base href="./" />'
_HASHED = re.compile(r"assets/.*-[A-Za-z0-9_-]{8,}\.[a-z0-9]+")
_KINDS = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_LEAST_BYTES = 1024  # below this, packing saves nothing
# Nothing from elsewhere, nothing inline, nobody's frame: what a model wrote into a run stays text, whatever it is.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)
_FIXED = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "vary": "accept-encoding",
}
_FOR_EVER = "public, max-age=31536000, immutable"


class _File(Struct, frozen=True):
    body: bytes
    packed: bytes | None
    kind: str


class Console:
    """Answer what is asked below `/console`, and pass everything else on.

    Args:
        app: What answers everything else.
        folder: Where the files are; by default in this package.
    """

    def __init__(self, app: ASGIApp, folder: Traversable | None = None) -> None:
        self._app = app
        self._folder = folder or files("riverrun").joinpath("_console")
        self._files: Mapping[str, _File] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        below = _below(scope)
        if below is None and not _is_opened(scope):
            await self._app(scope, receive, send)
            return
        await self._answer(below or "", scope)(scope, receive, send)

    def _answer(self, below: str, scope: Scope) -> Response:
        if scope["method"] not in {"GET", "HEAD"}:
            missing = NotFound("E2011", f"{scope['method']} is not there; there is GET, HEAD", where="method")
            return error_answer(missing, 405, {"allow": "GET, HEAD"})
        if not below:
            # Relative, so that whatever a proxy put in front of the path stays there.
            query = scope["query_string"].decode("latin-1")
            return Response(status_code=307, headers={"location": f"console/{'?' * bool(query)}{query}"})
        name = below.removeprefix("/")
        known = self._loaded()
        if _PAGE not in known:
            return error_answer(NotFound("E6008", "this Riverrun was installed without its console", where=PATH), 404)
        if name in known and name not in _HIDDEN:
            return _answer(known[name], scope, _FOR_EVER if _HASHED.fullmatch(name) else "no-cache")
        if "." in name.rpartition("/")[2]:
            # A page in place of a script would be an error that nobody understands.
            return error_answer(NotFound("E2011", f"the console has no file {name[:100]!r}", where="path"))
        return _answer(_placed(known[_PAGE], name), scope, "no-store")

    def _loaded(self) -> Mapping[str, _File]:
        # Once: half a megabyte, and then no request waits for a disk.
        if self._files is None:
            self._files = dict(_read(self._folder)) if self._folder.is_dir() else {}
        return self._files


def _below(scope: Scope) -> str | None:
    """Give what of a path stands below the console's own; None for another path."""
    if scope["type"] != "http":
        return None
    # Where a host mounted this program, its own part of the path stands in front of ours.
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    if path != PATH and not path.startswith(f"{PATH}/"):
        return None
    return str(path[len(PATH) :])


def _is_opened(scope: Scope) -> bool:
    """Say whether somebody opens the bare address of the server in a browser."""
    if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
        return False
    bare = scope["path"].removeprefix(scope.get("root_path", "")) == "/"
    return bare and "text/html" in Headers(scope=scope).get("accept", "")


def _read(folder: Traversable, prefix: str = "") -> list[tuple[str, _File]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _read(entry, f"{prefix}{entry.name}/")
        else:
            kind = _KINDS.get(entry.name.rpartition(".")[2], "application/octet-stream")
            found.append((f"{prefix}{entry.name}", _file(entry.read_bytes(), kind)))
    return found


def _file(body: bytes, kind: str) -> _File:
    return _File(body, gzip.compress(body, 9, mtime=0) if len(body) >= _LEAST_BYTES else None, kind)


def _placed(page: _File, name: str) -> _File:
    """Say in a page where its files are, seen from its own address, which may be some places below the console's."""
    up = "../" * name.count("/") or "./"
    return _File(page.body.replace(_BASE, f'<base href="{up}" />'.encode(), 1), None, page.kind)


def _answer(file: _File, scope: Scope, cache: str) -> Response:
    headers = {"content-type": file.kind, "cache-control": cache, **_FIXED}
    if file.packed is not None and _takes_packed(scope):
        return Response(file.packed, headers={**headers, "content-encoding": "gzip"})
    return Response(file.body, headers=headers)


def _takes_packed(scope: Scope) -> bool:
    accepted = Headers(scope=scope).get("accept-encoding", "")
    return any(re.fullmatch(r"gzip(;q=(1(\.0*)?|0?\.0*[1-9]\d*))?", each.strip()) for each in accepted.split(","))
