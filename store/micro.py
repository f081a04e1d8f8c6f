"""What a process says of itself to `nats micro ls / info / stats` (NATS service API, ADR-32).

Answers are built here; the bus subscribes and sends them. Written by hand, so that a service keeps its id and its figures
across reconnects.
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

_PREFIX = "$SRV"
_TYPE = "io.nats.micro.v1"


class Service:
    """One process; its single endpoint `health` answers with the figures that `stats` returns."""

    def __init__(
        self, name: str, version: str, description: str, metadata: dict[str, str], stats: Callable[[], dict[str, Any]]
    ) -> None:
        self._identity = {"name": name, "id": secrets.token_hex(11), "version": version, "metadata": metadata}
        self._description = description
        self._started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._stats = stats
        self._asked = 0

    def endpoints(self) -> list[tuple[str, Callable[[], bytes]]]:
        """The subjects to listen on, each with the function that makes the answer."""
        name, own_id = self._identity["name"], self._identity["id"]
        answers = {"PING": self._ping, "INFO": self._info, "STATS": self._statistics}
        subjects: list[tuple[str, Callable[[], bytes]]] = [(self._health_subject, self._health)]
        for verb, answer in answers.items():
            subjects += [
                (subject, answer)
                for subject in (f"{_PREFIX}.{verb}", f"{_PREFIX}.{verb}.{name}", f"{_PREFIX}.{verb}.{name}.{own_id}")
            ]
        return subjects

    @property
    def _health_subject(self) -> str:
        return f"{_PREFIX}.HEALTH.{self._identity['name']}.{self._identity['id']}"

    @property
    def _endpoint(self) -> dict[str, Any]:
        return {"name": "health", "subject": self._health_subject, "queue_group": "", "metadata": {}}

    def _ping(self) -> bytes:
        return msgspec.json.encode({"type": f"{_TYPE}.ping_response", **self._identity})

    def _info(self) -> bytes:
        return msgspec.json.encode(
            {"type": f"{_TYPE}.info_response", **self._identity, "description": self._description, "endpoints": [self._endpoint]}
        )

    def _statistics(self) -> bytes:
        figures = {
            "num_requests": self._asked,
            "num_errors": 0,
            "last_error": "",
            "processing_time": 0,
            "average_processing_time": 0,
            "data": self._stats(),
        }
        endpoints = [{**self._endpoint, **figures}]
        return msgspec.json.encode(
            {"type": f"{_TYPE}.stats_response", **self._identity, "started": self._started, "endpoints": endpoints}
        )

    def _health(self) -> bytes:
        self._asked += 1
        return msgspec.json.encode(self._stats())
