"""What the client does after each close code (docs/protocol.md has the same table for every client). Pure but for a counter."""

from enum import Enum
from typing import Final

#: A single refusal proves little: a hello that came late is closed with 4401 like one with a bad token.
REFUSALS_IN_A_ROW: Final = 3


class Move(Enum):
    """What follows a close."""

    COME_BACK = "comes back and resumes"
    WAIT = "waits, then comes back"
    NEW_TOKEN = "gets a new token and comes back"  # noqa: S105  # a sentence, no secret
    DOUBT = "comes back, and stops when it is closed so three times in a row"
    STOP = "stops"
    WIPE = "drops what it holds and stops"


MOVES: Final = {
    1000: Move.COME_BACK,
    1001: Move.COME_BACK,
    1002: Move.DOUBT,
    1006: Move.COME_BACK,
    1007: Move.DOUBT,
    1009: Move.COME_BACK,
    1011: Move.COME_BACK,
    1012: Move.COME_BACK,
    1013: Move.COME_BACK,
    4400: Move.STOP,
    4401: Move.NEW_TOKEN,
    4403: Move.STOP,
    4404: Move.STOP,
    4406: Move.STOP,
    4408: Move.COME_BACK,
    4409: Move.COME_BACK,
    4410: Move.WIPE,
    4429: Move.WAIT,
}


class Closings:
    """Judges one close after the other."""

    def __init__(self) -> None:
        self._refusals = 0

    def after(self, code: int, *, renews_token: bool) -> Move:
        """What to do now; where neither a new token nor trying again helps, a few refusals in a row mean stop."""
        move = MOVES.get(code, Move.COME_BACK)
        is_refusal = move is Move.DOUBT or (move is Move.NEW_TOKEN and not renews_token)
        self._refusals = self._refusals + 1 if is_refusal else 0
        return Move.STOP if self._refusals >= REFUSALS_IN_A_ROW else move
