"""How a client stands towards the server, in words that a user interface can show. Made by `Client`; holds nothing itself."""

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """One of five; all but `live` mean that what is shown may be old."""

    CONNECTING = "connecting"
    SYNCING = "syncing"
    LIVE = "live"
    #: Connected, but events went by that are being fetched.
    BEHIND = "behind"
    #: Without a connection; `reason` says why, and the client tries again unless it has stopped.
    OFFLINE = "offline"


class Status(NamedTuple):
    """`unsaved` ops are not known to be on disk, `unanswered` ones not known to be decided; `synced_at` is Unix seconds.

    `synced_at` is the last moment at which everything that the server had was shown; None before the first.
    """

    state: State
    unsaved: int = 0
    unanswered: int = 0
    synced_at: float | None = None
    reason: str = ""
