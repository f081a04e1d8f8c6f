"""Who is alive: hosts beat on `members.<region>`, and a host that is not heard for a while is gone (design D2, D3).

`Members` is the pure core: it is told what was heard and when (monotonic seconds). A host listens to its own beats too: one that
has not heard itself for the timeout has been stopped or cut off, and others may own its partitions. Called by heartbeats.
"""

import msgspec


class Heartbeat(msgspec.Struct, frozen=True, array_like=True):
    """One sign of life; `boot` tells two lives of one host apart. `joining` asks the others to beat at once.

    `rules` is the newest version of the rules that its build knows; builds that do not say so know the first.
    """

    host: str
    boot: str
    joining: bool = False
    leaving: bool = False
    rules: int = 1


class Members:
    """The hosts heard within the timeout; `own` is the host that listens."""

    def __init__(self, own: str, timeout_seconds: float) -> None:
        self._own = own
        self._timeout_seconds = timeout_seconds
        self._heard: dict[str, tuple[str, float]] = {}
        self._missed_itself = False

    def hear(self, beat: Heartbeat, now: float) -> None:
        """Take in a beat; a leaving host is gone at once, unless it has begun a new life meanwhile."""
        boot, heard = self._heard.get(beat.host, ("", now))
        if beat.host == self._own and now - heard >= self._timeout_seconds:
            # It hears itself again, but others have counted it as gone.
            self._missed_itself = True
        if not beat.leaving:
            self._heard[beat.host] = (beat.boot, now)
        elif boot == beat.boot:
            del self._heard[beat.host]

    def alive(self, now: float) -> frozenset[str]:
        """Return the hosts heard within the timeout."""
        return frozenset(host for host, (_, heard) in self._heard.items() if now - heard < self._timeout_seconds)

    def lost_itself(self, now: float) -> bool:
        """Tell whether this host has not heard its own beats for the timeout, now or at any time before."""
        return self._missed_itself or self._own not in self.alive(now)
