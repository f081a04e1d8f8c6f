"""The lifecycle of a session as one table; an illegal step raises and leaves the phase as it was. Used by the session."""

from enum import Enum
from typing import Final

from gateway.errors import GatewayError


class Phase(Enum):
    """Where a session stands."""

    AWAITING_HELLO = "connected; nobody knows yet who it is"
    JOINING = "said a valid hello; its state is being gathered"
    LIVE = "synced; gets every envelope that it may read"
    ENDED = "closed, from either side"


TRANSITIONS: Final = {
    Phase.AWAITING_HELLO: frozenset({Phase.JOINING, Phase.ENDED}),
    Phase.JOINING: frozenset({Phase.LIVE, Phase.ENDED}),
    Phase.LIVE: frozenset({Phase.ENDED}),
    Phase.ENDED: frozenset[Phase](),
}


class IllegalTransition(GatewayError):
    """A session took a step that its lifecycle does not have; this is a fault of ours, report it with the log."""

    code = "internal_error"


def stepped(phase: Phase, following: Phase) -> Phase:
    """Return the following phase; raises IllegalTransition where the table has no such step."""
    if following not in TRANSITIONS[phase]:
        raise IllegalTransition(message=f"A session that is {phase.name} cannot become {following.name}.")
    return following
