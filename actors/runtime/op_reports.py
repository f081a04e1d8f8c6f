"""What operators must learn of single ops: faults met while deciding, ops that are skipped, messages that never came.

Each is counted, logged, and where it helps kept as a dead letter. Called by actors.
"""

from typing import TYPE_CHECKING, Literal

import msgspec
import structlog

from actors.contract.subjects import log_subject
from actors.runtime.log_messages import LogMessage

if TYPE_CHECKING:
    from actors.runtime.partition import Partition

log = structlog.get_logger()


def report_fault(partition: "Partition", message: LogMessage, fault: Exception) -> None:
    """Report an op whose decision met an exception; it has become `internal_error`."""
    partition.counters.internal_errors += 1
    log.error("op_met_a_fault", id=message.id, position=message.position, op=message.entry.op.id, exc_info=fault)
    _put_aside(partition, "internal", message, f"{type(fault).__name__}: {fault}")


def report_skipped(partition: "Partition", message: LogMessage) -> None:
    """Report an op that is not decided since it has killed processes; it has become `internal_error`."""
    partition.counters.skipped_ops += 1
    log.error("op_skipped", id=message.id, position=message.position, op=message.entry.op.id)
    _put_aside(partition, "poison", message, "processes died while deciding it")


def report_missing(partition: "Partition", message: LogMessage, missing: int) -> None:
    """Report messages of another actor that never came: the outbox keeps their order, so a log has lost them."""
    partition.counters.messages_missing += missing
    log.error("messages_missing", id=message.id, sender=message.principal, position=message.position, missing=missing)


def _put_aside(partition: "Partition", kind: Literal["internal", "poison"], message: LogMessage, reason: str) -> None:
    subject = log_subject(partition.region, message.kind, message.id, message.principal, partition.count)
    partition.resources.dead_letters.put(kind, subject, message.position, reason, msgspec.json.encode(message.entry))
