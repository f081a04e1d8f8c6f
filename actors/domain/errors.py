"""The errors of the domain. `Refused` is caught once, in `decide`, and becomes the refusal; the rest is for callers."""

from actors.contract.decisions import Refusal, refusal


class DomainError(Exception):
    """The domain cannot do what it was asked; read the message."""

    code = "domain_error"


class SnapshotUnreadable(DomainError):
    """This snapshot is of another format or damaged; fold the stored changes instead, or take an older snapshot."""

    code = "snapshot_unreadable"


class Refused(DomainError):
    """A rule refuses the op; code, message and remedy stand in `refusal`."""

    def __init__(self, code: str, message: str = "", remedy: str = "") -> None:
        """Take the default message and remedy of `code` unless more exact ones are given."""
        self.code = code
        self.refusal: Refusal = refusal(code, message, remedy)
        super().__init__(f"{code}: {self.refusal.message}")
