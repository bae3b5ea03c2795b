"""The pages and what they load, as they lie in `pages/` and `static/`."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from aiohttp import web

from web.guard import HEADERS

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def page(name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    """What answers with a page."""
    return partial(_file, _HERE / "pages" / name, "text/html")


def static() -> list[web.RouteDef]:
    """Scripts, styles and pictures of all pages."""
    files = sorted(file for file in (_HERE / "static").iterdir() if file.suffix in _TYPES)
    return [web.get(f"/playground/static/{file.name}", partial(_file, file, _TYPES[file.suffix])) for file in files]


async def _file(file: Path, content_type: str, _: web.Request) -> web.Response:
    text = await asyncio.to_thread(file.read_text, "utf-8")
    return web.Response(text=text, content_type=content_type, headers=HEADERS)
