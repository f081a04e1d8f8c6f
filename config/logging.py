"""Structured logs on standard error: JSON for machines, readable on a terminal; the standard library's logs pass through here.

Values whose name says that they are secret are masked, and addresses lose their query string: no token reaches a log line.
What a library says of a server that is away is one line, and no traceback as of a fault.
Called once by each process at start; everybody else uses `structlog.get_logger()`.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from config.settings import Settings

MASK: Final = "[masked]"
_SECRET_NAME: Final = re.compile(r"token|secret|password|authorization|credential|seed|api_?key|cookie", re.IGNORECASE)
_JWT: Final = re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?")
_QUERY: Final = re.compile(r"(?<=[\w/])\?[\w%.~-]+=[^\s\"']*")
_URL_PASSWORD: Final = re.compile(r"(?<=://)[^\s/@\"']+@")
#: Libraries whose ordinary messages say nothing to an operator.
_QUIET: Final = ("aiohttp.access", "asyncio", "nats", "docker", "urllib3")
#: Repeats what a stranger offers, a line for each connection.
_TALKATIVE: Final = "aiohttp.websocket"
#: asyncpg tells its own failures, and leaves some to asyncio, which reports that nobody retrieved them.
_POSTGRES_CLIENT: Final = "asyncpg"
_RETELLS: Final = "asyncio"


def configure_logging(settings: Settings, **bound: str) -> None:
    """Send all logs of this process to standard error; `bound` (role, id) stands on every line."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_rendering(settings)))
    handler.addFilter(_told_in_one_line)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(_TALKATIVE).setLevel(logging.ERROR)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**bound)


def _told_in_one_line(record: logging.LogRecord) -> bool:
    """Shorten what is said of a lost connection to PostgreSQL: whoever waited for it has been told and tries again."""
    error = record.exc_info[1] if record.exc_info else None
    is_lost = isinstance(error, OSError) or type(error).__module__.startswith(_POSTGRES_CLIENT)
    if is_lost and (record.name == _RETELLS or record.name.startswith(_POSTGRES_CLIENT)):
        record.msg, record.args = f"{record.getMessage().splitlines()[0]}: {type(error).__name__}: {error}", ()
        record.exc_info, record.exc_text = None, None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def mask_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace secret values by a mask, also inside texts, mappings and lists: a structlog processor."""
    for name in list(event):
        event[name] = MASK if _SECRET_NAME.search(name) and name != "event" else _masked(event[name])
    return event


def _masked(value: object) -> object:
    if isinstance(value, str):
        return _QUERY.sub("", _URL_PASSWORD.sub(f"{MASK}@", _JWT.sub(MASK, value)))
    if isinstance(value, dict):
        return {key: MASK if _SECRET_NAME.search(str(key)) else _masked(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(inner) for inner in value]
    return value


def _rendering(settings: Settings) -> list[structlog.types.Processor]:
    """Choose the form of a line; exceptions become text before masking, so that they are masked too."""
    readable = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if readable else structlog.processors.JSONRenderer()
    )
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        mask_secrets,
        renderer,
    ]
