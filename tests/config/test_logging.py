"""Logs: where they go, in which form, and what they never contain."""

import asyncio
import json
import logging
from collections.abc import Iterator

import asyncpg
import pytest
import structlog
from aiohttp.log import ws_logger

from config.logging import MASK, configure_logging
from config.settings import Settings

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Give back the handlers, levels and structlog settings that the test found."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Return what stands on standard error, having made sure that nothing stands on standard output."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_is_json_with_role_level_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    """A machine finds who said what, when and how gravely, on standard error."""
    configure_logging(Settings(log_format="json"), role="host", id="host-1")

    structlog.get_logger().info("partition_taken", partition=44)

    (line,) = lines(capsys)
    assert {**line, "timestamp": ""} == {
        "event": "partition_taken", "partition": 44, "role": "host", "id": "host-1", "level": "info", "timestamp": "",
    }  # fmt: skip
    assert str(line["timestamp"]).endswith("Z")


def test_the_standard_library_takes_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's log line has the same form as ours."""
    configure_logging(Settings(log_format="json"), role="gateway")

    logging.getLogger("some.library").warning("connection %s lost", "a")

    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["role"]) == ("connection a lost", "warning", "gateway")


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """The level holds for our lines and for those of libraries."""
    configure_logging(Settings(log_format="json", log_level="warning"))

    structlog.get_logger().info("ours")
    logging.getLogger("some.library").info("theirs")

    assert lines(capsys) == []


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_secret_reaches_a_line(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    """Tokens, passwords and query strings are masked by name, by form, when nested, and in a traceback."""
    configure_logging(Settings.model_validate({"log_format": log_format}))
    log = structlog.get_logger()

    log.info("by_name", token="hush-1", Authorization="hush-2", nats_password="hush-3")
    log.info("by_form", text=f"of {JWT}", address="wss://host/ws?token=hush-4&x=1", server="nats://user:hush-5@host:4222")
    log.info("nested", headers={"authorization": "hush-6", "list": [JWT]}, sequence=["/ws?ticket=hush-7"])
    logging.getLogger("some.library").warning("GET /ws?token=hush-8 with %s", JWT)
    try:
        raise ValueError(f"cannot read {JWT}")
    except ValueError:
        log.exception("failed")

    written = capsys.readouterr().err
    assert "hush" not in written
    assert "eyJ" not in written
    assert MASK in written
    assert "ValueError" in written


def test_inv5_what_a_stranger_offers_is_in_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """aiohttp repeats the subprotocols that a client offers, perhaps a password: it is not written, and fills no log."""
    configure_logging(Settings(log_format="json"))

    ws_logger.warning("Client protocols %r don't overlap", ["hush"])
    ws_logger.error("a fault")

    assert [line["event"] for line in lines(capsys)] == ["a fault"]


def test_a_lost_postgres_is_one_line_and_a_fault_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """Failures that asyncpg tells itself or leaves unretrieved are warnings in one line; those of others stay errors."""
    configure_logging(Settings(log_format="json"), role="host")
    lost = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

    async def leave_behind(*errors: Exception) -> None:
        for error in errors:
            asyncio.get_running_loop().create_future().set_exception(error)

    asyncio.run(leave_behind(lost, ValueError("ours")))
    refused = ConnectionRefusedError(111, "Connection refused")
    logging.getLogger("asyncpg.pool").warning("Failed to restore the pool connection floor; retrying", exc_info=refused)

    never_retrieved, fault, pool = lines(capsys)
    assert never_retrieved["event"] == f"Future exception was never retrieved: ConnectionDoesNotExistError: {lost}"
    assert str(pool["event"]).endswith("retrying: ConnectionRefusedError: [Errno 111] Connection refused")
    assert {never_retrieved["level"], pool["level"]} == {"warning"}
    assert not any("exception" in line for line in (never_retrieved, pool))
    assert fault["level"] == "error"
    assert "ValueError" in str(fault["exception"])
