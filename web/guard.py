"""Who may ask: our own pages alone; and the headers that make a browser keep to that."""

from collections.abc import Collection
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Posted = TypeVar("Posted", bound=msgspec.Struct)


class Guard:
    """`hosts`: the names under which we answer; None for any name."""

    def __init__(self, hosts: Collection[str] | None) -> None:
        self._hosts = hosts

    def check(self, request: web.Request) -> None:
        """Only our own page may ask: no other site, and no other name that leads here."""
        origin = request.headers.get("Origin")
        try:
            known = self._hosts is None or urlsplit(f"//{request.host}").hostname in self._hosts
            same = origin is None or urlsplit(origin).netloc == request.host
        except ValueError:
            known = same = False
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        if not known or not same or site not in ("same-origin", "none"):
            raise web.HTTPForbidden(text="The playground answers its own page only.")

    async def posted(self, request: web.Request, kind: type[Posted]) -> Posted:
        """The body, which our page sent and which is as it should be."""
        self.check(request)
        # Without asking first, a foreign page can post forms and plain text, but no JSON.
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="Only JSON is taken.")
        try:
            return msgspec.json.decode(await request.read(), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
