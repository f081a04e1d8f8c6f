"""What a gateway counts about itself: plain numbers, raised where things happen and read by `/metrics` and `nats micro stats`."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Since the start of this process; `..._by_code` and `..._by_reason` map closed sets of names to numbers."""

    ops_accepted: int = 0
    ops_refused_by_code: Counter[str] = field(default_factory=Counter)
    limits_met_by_limit: Counter[str] = field(default_factory=Counter)
    envelopes: int = 0
    stale_envelopes: int = 0
    deliveries: int = 0
    conflicts_by_strategy: Counter[str] = field(default_factory=Counter)
    holes: int = 0
    catch_ups: int = 0
    permission_refreshes: int = 0
    state_calls: int = 0
    syncs_by_reason: Counter[str] = field(default_factory=Counter)
    channels_resumed_by_events: int = 0
    digest_mismatches: int = 0
    repairs_asked_by_reason: Counter[str] = field(default_factory=Counter)
    sockets_opened: int = 0
    sockets_stale: int = 0
    sockets_closed_by_code: Counter[int] = field(default_factory=Counter)
    generation_changes: int = 0
    divergences_by_place: Counter[str] = field(default_factory=Counter)
    repairs_by_place: Counter[str] = field(default_factory=Counter)
