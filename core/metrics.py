"""What is counted and measured: one table of all there is, and the page that Prometheus reads."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Literal
from urllib.parse import urlsplit

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

PREFIX = "switchboard_"
MOST_SERIES = 200
"""Label combinations of one metric; what comes after them is counted under `other`."""
LONGEST_VALUE = 80
"""Characters of a label's value."""
OTHER = "other"


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
    "channel_restarts_total": Metric("counter", "Times that a channel was started anew.", ("channel",)),
    "events_waiting": Metric("gauge", "Events that were taken in and are not settled yet.", (), "events"),
    "dead_letters": Metric("gauge", "Events that nobody could answer, waiting for an admin.", (), "events"),
}


class Metrics:
    """All metrics of a table. A name or label that is not in it raises ValueError: it is never made on the way."""

    def __init__(self, table: Mapping[str, Metric] = TABLE, *, most_series: int = MOST_SERIES) -> None:
        self._table = table
        self._most_series = most_series
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody reads
        self._made = {name: _made(name, metric, self._registry) for name, metric in table.items()}
        self._series: dict[tuple[object, ...], Counter | Gauge | Histogram] = {}
        self._values: dict[str, set[tuple[str, ...]]] = {name: set() for name in table}

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Add to a counter."""
        series = self._series.get((name, *labels.items())) or self._find(name, labels)
        if not isinstance(series, Counter):
            raise ValueError(f"{name} is no counter")
        series.inc(amount)

    def observe(self, name: str, seconds: float, /, **labels: str) -> None:
        """One measurement."""
        series = self._series.get((name, *labels.items())) or self._find(name, labels)
        if not isinstance(series, Histogram):
            raise ValueError(f"{name} is no histogram")
        series.observe(seconds)

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        """How much there is now."""
        series = self._series.get((name, *labels.items())) or self._find(name, labels)
        if not isinstance(series, Gauge):
            raise ValueError(f"{name} is no gauge")
        series.set(value)

    def forget(self, name: str, /, **labels: str) -> None:
        """Show a series no more: what it speaks of is gone."""
        values = self._labelled(name, labels)
        if values not in self._values[name]:
            return
        self._values[name].discard(values)
        self._series = {key: series for key, series in self._series.items() if key[0] != name}
        self._made[name].remove(*values)

    def text(self) -> bytes:
        """All there is, in Prometheus' text format."""
        return generate_latest(self._registry)

    def _find(self, name: str, labels: Mapping[str, str]) -> Counter | Gauge | Histogram:
        """The series of these labels, made at its first use."""
        values = self._labelled(name, labels)
        known, made = self._values[name], self._made[name]
        if values in known or len(known) < self._most_series:
            known.add(values)
            series = made.labels(*values) if values else made
            self._series[name, *labels.items()] = series
            return series
        return made.labels(*(OTHER for _ in values))

    def _labelled(self, name: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        metric = self._table.get(name)
        if metric is None:
            raise ValueError(f"there is no metric {name}; they are declared in core/metrics.py")
        if labels.keys() != set(metric.labels):
            raise ValueError(f"{name} has the labels {metric.labels}, not {tuple(labels)}")
        return tuple(str(labels[label])[:LONGEST_VALUE] for label in metric.labels)


def _made(name: str, metric: Metric, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    full = PREFIX + name
    match metric.kind:
        case "counter":
            return Counter(full, metric.help, metric.labels, registry=registry)
        case "gauge":
            return Gauge(full, metric.help, metric.labels, registry=registry)
        case "histogram":
            return Histogram(full, metric.help, metric.labels, registry=registry, buckets=metric.buckets)


_here = Metrics()
count = _here.count
observe = _here.observe
gauge = _here.gauge
forget = _here.forget
text = _here.text

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
        return web.Response(body=text(), headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})

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
