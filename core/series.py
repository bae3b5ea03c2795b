"""The metrics of a table as they are counted, by Prometheus' own library: imported when the first is counted."""

from collections.abc import Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from core.metrics import TABLE, Metric

PREFIX = "switchboard_"
MOST_SERIES = 200
"""Label combinations of one metric; what comes after them is counted under `other`."""
LONGEST_VALUE = 80
"""Characters of a label's value."""
OTHER = "other"


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

    def clear(self, name: str, /) -> None:
        """Show none of a gauge's series, until they are told anew: what one of them speaks of may be gone."""
        self._values[name].clear()
        self._series = {key: series for key, series in self._series.items() if key[0] != name}
        self._made[name].clear()

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
