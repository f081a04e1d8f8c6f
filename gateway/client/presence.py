"""Who is here, as the server tells it, and what we ourselves want to be seen doing. Kept by the session."""

from typing import Any

from actors.contract.server_frames import PresenceFrame


class Presence:
    """`own` is told again after every reconnect; `others` is what is known on this connection, ourselves included."""

    def __init__(self) -> None:
        self.own: dict[str, Any] | None = None
        self.others: dict[str, dict[str, Any]] = {}

    def follow(self, frame: PresenceFrame) -> None:
        """Take a whole or a change."""
        if frame.whole:
            self.others.clear()
        for user, presence in frame.presence.items():
            if presence is None:
                self.others.pop(user, None)
            else:
                self.others[user] = presence
