"""What is counted and measured: one table of all there is, and the page that Prometheus reads."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from hmac import compare_digest
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from aiohttp import web

if TYPE_CHECKING:
    from core.series import Metrics


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is counted or measured. A label never names a person, a room or a conversation."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()
    """Upper ends of a histogram's buckets, in its unit."""


_TURN = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
_WORD = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30)

TABLE: Mapping[str, Metric] = {
    "events_total": Metric("counter", "Events that were settled, by how they ended.", ("channel", "outcome")),
    "silences_total": Metric("counter", "Events passed over without an answer.", ("reason",)),
    "refusals_total": Metric("counter", "Events answered with one polite line instead of by the bot.", ("reason",)),
    "turn_seconds": Metric("histogram", "From the claim of an event to its commit.", (), "seconds", _TURN),
    "first_word_seconds": Metric(
        "histogram", "From the claim of an event to the first text that the user could see.", (), "seconds", _WORD
    ),
    "model_tokens_total": Metric("counter", "Tokens that models took and gave.", ("model", "kind"), "tokens"),
    "model_cost_total": Metric("counter", "What models cost, in the currency of the price table.", ("model",)),
    "model_failures_total": Metric("counter", "Calls of a model that gave no whole answer.", ("model", "reason")),
    "tool_calls_total": Metric("counter", "Tools that were run for a model.", ("tool", "outcome")),
    "persona_findings_total": Metric(
        "counter", "Answers that broke a rule of their personality, by rule.", ("finding",)
    ),
    "channel_up": Metric("gauge", "1 while the channel runs, else 0.", ("channel",)),
    "tool_server_up": Metric("gauge", "1 while a bot's tool server (MCP) answers, else 0.", ("bot", "server")),
    "tool_server_tools": Metric("gauge", "Tools that a bot has of a tool server.", ("bot", "server")),
    "channel_restarts_total": Metric("counter", "Times that a channel was started anew.", ("channel",)),
    "events_waiting": Metric("gauge", "Events that were taken in and are not settled yet.", (), "events"),
    "dead_letters": Metric("gauge", "Events that nobody could answer, waiting for an admin.", (), "events"),
}


@cache
def _here() -> "Metrics":
    """Made at the first use: its library takes a while to import, and nothing is counted while the hub starts."""
    from core.series import Metrics

    return Metrics()


def count(name: str, amount: float = 1, /, **labels: str) -> None:
    """Add to a counter. As all of these, raises ValueError where the table has no such metric."""
    _here().count(name, amount, **labels)


def observe(name: str, seconds: float, /, **labels: str) -> None:
    """One measurement."""
    _here().observe(name, seconds, **labels)


def gauge(name: str, value: float, /, **labels: str) -> None:
    """How much there is now."""
    _here().gauge(name, value, **labels)


def clear(name: str, /) -> None:
    """Show none of a gauge's series, until they are told anew: what one of them speaks of may be gone."""
    _here().clear(name)


def text() -> bytes:
    """All there is, in Prometheus' text format."""
    return _here().text()


_TEXT = "text/plain; version=1.0.0; charset=utf-8"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PROXIED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


def routes(
    token: str = "", *, is_private: bool = True, refresh: Callable[[], Awaitable[None]] | None = None
) -> list[web.RouteDef]:
    """`/metrics`, for whoever holds the token; without one, for callers on this very machine alone, and for nobody
    where the hub is not private: a proxy on this machine may pass on what comes from elsewhere and not say so.

    `is_private`: the hub listens on loopback and has no public address. `refresh`: brings gauges up to date."""

    async def metrics(request: web.Request) -> web.Response:
        if not may_read(request, token, is_private=is_private):
            # As if there were no such page: it tells a stranger nothing, not even that it is there.
            raise web.HTTPNotFound
        if refresh is not None:
            await refresh()
        return web.Response(body=text(), headers={"Content-Type": _TEXT, "Cache-Control": "no-store"})

    return [web.get("/metrics", metrics)]


def may_read(request: web.Request, token: str, *, is_private: bool) -> bool:
    """Whether the caller holds the token, or where there is none, is on this machine and came through no proxy."""
    if token:
        return compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {token}".encode())
    if not is_private:
        return False
    try:
        host = urlsplit(f"//{request.host}").hostname
    except ValueError:
        return False
    return request.remote in _LOOPBACK and host in _LOOPBACK and not any(name in request.headers for name in _PROXIED)
