"""Readers of the log under test: what they delivered, why they were made anew, and a log to read from."""

from typing import Any

from store.bus import Bus
from store.log_consumer import LogConsumer

ALL = ["log.r0.>"]


async def make_log(bus: Bus, max_bytes: int = 64 * 1024 * 1024, **config: Any) -> None:
    """Make LOG_0; `config` holds further members of the stream's configuration."""
    common = {"name": "LOG_0", "subjects": ["log.*.>"], "allow_atomic": True, "discard": "new", "max_bytes": max_bytes}
    await bus.js_request("STREAM.CREATE.LOG_0", common | config)


def op(partition: int, payload: bytes = b"x") -> tuple[str, bytes]:
    return f"log.r0.{partition}.w.w{partition}.ann", payload


class Read:
    """What a reader delivered, and why it was made anew."""

    def __init__(self) -> None:
        self.positions: list[int] = []
        self.messages: list[tuple[str, bytes]] = []
        self.resets: list[str] = []
        self.broken: list[Exception] = []

    async def on_message(self, position: int, timestamp_ms: int, subject: str, data: bytes) -> None:
        assert timestamp_ms > 1_700_000_000_000
        self.positions.append(position)
        self.messages.append((subject, data))


class Reader:
    """Starts readers on one bus and stops them after the test."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.started: list[LogConsumer] = []

    def make(self, read: Read, filters: list[str] = ALL, after: int = 0, **options: Any) -> LogConsumer:
        consumer = LogConsumer(
            self.bus, "LOG_0", filters, after, options.pop("on_message", read.on_message),
            on_reset=read.resets.append, on_broken=read.broken.append, **options,
        )  # fmt: skip  # the arguments in their order
        self.started.append(consumer)
        return consumer

    async def start(self, read: Read, filters: list[str] = ALL, after: int = 0, **options: Any) -> LogConsumer:
        consumer = self.make(read, filters, after, **options)
        await consumer.start()
        return consumer
