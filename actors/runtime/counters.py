"""What a host counts about itself: one small struct, for the NATS service's `stats` and for metrics.

Counting never decides anything. Written everywhere in the runtime, read by the service.
"""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counters:
    """Totals since the process started."""

    folded_ops: int = 0
    refused_ops: int = 0
    answered_ops: int = 0
    internal_errors: int = 0
    skipped_ops: int = 0
    undecodable_messages: int = 0
    messages_missing: int = 0
    messages_sent: int = 0
    messages_held_back: int = 0
    published_messages: int = 0
    publish_failures: int = 0
    activations: int = 0
    activation_failures: int = 0
    sleeps: int = 0
    reads: int = 0
    reads_behind: int = 0
    flushes: int = 0
    flush_failures: int = 0
    flushed_decisions: int = 0
    guard_refusals: int = 0
    buffer_overflows: int = 0
    silent_folds: int = 0
    snapshots: int = 0
    look_ups: int = 0
    conflicts_last_writer_wins: int = 0
    conflicts_merge_changes: int = 0
    conflicts_priority_based: int = 0
    conflicts_manual_review: int = 0
    conflicts_wedding_hierarchy: int = 0
    timers_sent: int = 0
    firings_ignored: int = 0
    dead_letters_dropped: int = 0
    restarts_as_new: int = 0
    divergences_found: int = 0
    repairs: int = 0

    def count_conflict(self, strategy: str) -> None:
        """Count a conflict by the strategy that settled it, one of a closed set."""
        name = f"conflicts_{strategy}"
        setattr(self, name, getattr(self, name) + 1)

    def as_dict(self) -> dict[str, int]:
        """Return every total by name."""
        return asdict(self)
