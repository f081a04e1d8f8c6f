"""What a gateway tells Prometheus and `nats micro stats`: prefix `wedsync_`, base units, labels from closed sets.

Hot paths raise plain numbers (`Counts`) that are read at a scrape; only HTTP requests, which are few, are observed one by one. No
label ever holds a wedding, a person or a path as it was sent.
"""

from collections import Counter as Numbers
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.counts import Counts

_PREFIX: Final = "wedsync_gateway_"
_HTTP_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)

Read = Callable[[], float]


class _Reading(NamedTuple):
    help: str
    read: Read
    only_rises: bool


class _Readings(Collector):
    """Reads everything at the moment of a scrape."""

    def __init__(self, metrics: "Metrics") -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("wedsync_gateway", "This gateway.", value=self._metrics.identity)
        for name, reading in self._metrics.readings.items():
            family = CounterMetricFamily if reading.only_rises else GaugeMetricFamily
            yield family(name, reading.help, value=reading.read())
        yield from _of_counts(self._metrics.counts)


class Metrics:
    """The numbers of one gateway; parts add theirs with `gauge` and `counter`."""

    def __init__(self, counts: Counts, *, gateway: str, version: str) -> None:
        self.counts = counts
        self.identity = {"gateway": gateway, "version": version}
        self.readings: dict[str, _Reading] = {}
        self._registry = CollectorRegistry()
        self._registry.register(_Readings(self))
        self._requests = Counter(
            _PREFIX + "http_requests", "HTTP requests.", ("route", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            _PREFIX + "http_request_seconds", "Time to answer.", ("route",), buckets=_HTTP_BUCKETS, registry=self._registry
        )

    def gauge(self, name: str, help_text: str, read: Read) -> None:
        """Add a number that goes up and down; `name` without the prefix `wedsync_`."""
        self.readings["wedsync_" + name] = _Reading(help_text, read, only_rises=False)

    def counter(self, name: str, help_text: str, read: Read) -> None:
        """Add a number that only rises; the exposition puts `_total` behind it."""
        self.readings["wedsync_" + name] = _Reading(help_text, read, only_rises=True)

    def observe_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one HTTP request; `route` is the pattern, not the path."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def exposition(self) -> bytes:
        """Everything in the text format of Prometheus."""
        return generate_latest(self._registry)

    def stats(self) -> dict[str, Any]:
        """The same numbers for `nats micro stats`."""
        numbers: dict[str, Any] = {name.removeprefix("wedsync_"): reading.read() for name, reading in self.readings.items()}
        for field in fields(self.counts):
            value = getattr(self.counts, field.name)
            numbers[field.name] = {str(key): number for key, number in value.items()} if isinstance(value, Numbers) else value
        return numbers


def _of_counts(counts: Counts) -> Iterator[Metric]:
    """A counter per field; `..._by_<label>` has that label."""
    for field in fields(counts):
        value = getattr(counts, field.name)
        name, _, label = field.name.partition("_by_")
        help_text = name.replace("_", " ").capitalize() + "."
        if isinstance(value, Numbers):
            family = CounterMetricFamily(_PREFIX + name, help_text, labels=[label])
            for key, number in sorted(value.items(), key=str):
                family.add_metric([str(key)], number)
            yield family
        else:
            yield CounterMetricFamily(_PREFIX + name, help_text, value=value)
