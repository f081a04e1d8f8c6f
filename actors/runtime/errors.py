"""The errors of the runtime: reasons why a host cannot own, fold or answer; each with a stable code and its remedy.

What clients meet are outcomes of the contract, never these. Raised by the runtime only; caught by the host process.
"""

from typing import ClassVar

from actors.domain.rules import RULES


class HostError(Exception):
    """The host cannot go on; see its log for what came before, and start it again."""

    code: ClassVar[str] = "host_error"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or type(self).__doc__ or "")


class IllegalStep(HostError):
    """An actor was asked for a step that its lifecycle does not know; this is a fault of ours, report it."""

    code = "illegal_step"


class LogLost(HostError):
    """The log does not hold what the checkpoints say was read from it; restore it, or re-seed it under a new generation."""

    code = "log_lost"


class StoreWentBack(HostError):
    """A stored checkpoint is behind what this host has stored: was the database restored under it? Start the host again."""

    code = "store_went_back"


class DecidedOtherwise(HostError):
    """An op is skipped that this host has decided, since it killed others meanwhile; the host starts again and skips it too."""

    code = "decided_otherwise"


class NotOwned(HostError):
    """The partition was given up while somebody waited for one of its weddings; its new owner answers."""

    code = "not_owned"


class StillWaking(HostError):
    """The wedding cannot be woken at the moment because PostgreSQL does not answer; ask again."""

    code = "still_waking"


class NotRemembered(HostError):
    """What was asked for is further back than is kept; take the whole state instead."""

    code = "not_remembered"


class RulesUnknown(HostError):
    """The log asks for a version of the rules that this build does not know; install the release that has it on this host."""

    code = "rules_unknown"

    def __init__(self, version: int, position: int) -> None:
        """Keep the version and the position of its marker."""
        known = ", ".join(map(str, sorted(RULES)))
        super().__init__(
            f"From position {position} on version {version} of the rules is in force, and this build knows {known}; "
            "install the release that has it."
        )
        self.version = version
        self.position = position


class HoleInStoredChanges(HostError):
    """The stored changes of a wedding do not follow each other; see `wedsync scrub`, and restore what is missing."""

    code = "hole_in_stored_changes"
