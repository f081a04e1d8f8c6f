"""One message of the log as the fold takes it. Pure; called by the log reader, the silent fold and `verify`."""

from typing import Final, NamedTuple

import msgspec

from actors.contract.markers import Directive, decode_directive
from actors.contract.ops import LogEntry
from actors.contract.subjects import MARKER, parse_log_subject
from actors.domain.kinds import KINDS
from actors.runtime.errors import HostError

_decode: Final = msgspec.json.Decoder(LogEntry).decode


class LogMessage(NamedTuple):
    """One op as the log holds it, decoded; `size` is that of its bytes."""

    position: int
    timestamp_ms: int
    partition: int
    kind: str
    id: str
    principal: str
    entry: LogEntry
    size: int


class Marker(NamedTuple):
    """A message about a whole partition: how its ops are decided (actors.runtime.directives)."""

    position: int
    partition: int
    directive: Directive


class Undecodable(HostError):
    """This message of the log is no op that this version knows; it consumes nothing and goes to the dead letters."""

    code = "undecodable"


def decode_message(position: int, timestamp_ms: int, subject: str, data: bytes) -> LogMessage | Marker:
    """Take a log message apart; raises Undecodable."""
    try:
        address = parse_log_subject(subject)
        if address.kind == MARKER:
            return Marker(position, address.partition, decode_directive(data))
        entry = _decode(data)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise Undecodable(str(error)) from error
    if address.kind not in KINDS:
        raise Undecodable(f"there is no actor of kind {address.kind!r}")
    return LogMessage(position, timestamp_ms, address.partition, address.kind, address.id, address.principal, entry, len(data))
