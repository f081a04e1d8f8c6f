"""Effects of decisions as messages for the outbox (design D6). Pure.

Ids derive from the op, so that two hosts write the same rows and a repeat is harmless. Messages between actors only; a timer is a
schedule of its own stream and joins with the first rule that arms one. Called at each flush.
"""

from collections.abc import Iterable, Iterator

from actors.contract.correspondence import principal_of
from actors.contract.decisions import Resubmit, SendMessage
from actors.contract.subjects import log_subject
from store.changes import Row
from store.outbox import OutboxRow


def outbox_rows(region: str, partitions: int, rows: Iterable[Row]) -> Iterator[OutboxRow]:
    """Yield what these decisions send to other actors, the sender in the principal, and the ops that have waited."""
    for row in rows:
        principal = principal_of(row.kind, row.id)
        for decision in row.decisions:
            for effect in decision.effects:
                if isinstance(effect, SendMessage):
                    subject = log_subject(region, effect.kind, effect.id, principal, partitions)
                    yield OutboxRow(row.partition, f"{subject}:{effect.number}", subject, effect.body)
                elif isinstance(effect, Resubmit):
                    subject = log_subject(region, row.kind, row.id, effect.principal, partitions)
                    yield OutboxRow(row.partition, f"{subject}:{decision.rev}:{effect.op}", subject, effect.body)
