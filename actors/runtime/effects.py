"""Effects of decisions as messages for the outbox (design D6). Pure.

Ids derive from the op, so that two hosts write the same rows and a repeat is harmless. Messages between actors only; a timer is a
schedule of its own stream and joins with the first rule that arms one. Called at each flush.
"""

from collections.abc import Iterable, Iterator

from actors.contract.decisions import Decision, SendMessage
from actors.contract.subjects import WEDDING, log_subject
from store.outbox import OutboxRow


def outbox_rows(region: str, partitions: int, partition: int, wedding: str, decisions: Iterable[Decision]) -> Iterator[OutboxRow]:
    """Yield what these decisions of one wedding send to other actors; the sender stands in the principal."""
    for decision in decisions:
        for effect in decision.effects:
            if isinstance(effect, SendMessage):
                subject = log_subject(region, effect.kind, effect.id, f"_{WEDDING}-{wedding}", partitions)
                yield OutboxRow(partition, f"{wedding}:{effect.kind}:{effect.id}:{effect.number}", subject, effect.body)
