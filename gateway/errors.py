"""The errors of the gateway: one base, each with a stable code of the contract, a message and a remedy that clients may read.

What another package raises is turned into these at the gateway's edge; nothing here names a token or an item's contents.
"""

from typing import Final, NamedTuple

import msgspec

from actors.contract.codes import CODES

#: What reading somebody's JSON raises: no JSON, no UTF-8, of another shape, or nested deeper than the interpreter can follow.
UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)

#: What helps where no op is meant; the words of the contract speak of an op's number.
_REMEDIES: Final = {"bad_value": "Correct what is named and send it again."}


class Stand(NamedTuple):
    """Where an owner stood when it answered."""

    generation: int
    position: int
    rev: int
    acl: int


class LimitMet(NamedTuple):
    """Which limit somebody met: its name as in `welcome.limits`, its value, and when it may be tried again (None: never)."""

    limit: str
    value: int
    retry_after_ms: int | None = None


class GatewayError(Exception):
    """The gateway cannot do what was asked; code, message and remedy say why and what helps, `met` which limit it was, if any."""

    code = "internal_error"

    def __init__(self, code: str = "", message: str = "", remedy: str = "", *, met: LimitMet | None = None) -> None:
        """Take the default message and remedy of the code unless more exact ones are given."""
        self.code = code or type(self).code
        self.met = met
        text = CODES[self.code]
        self.message = message or text.message
        self.remedy = remedy or _REMEDIES.get(self.code, text.remedy)
        super().__init__(f"{self.code}: {self.message}")


class SlowDown(GatewayError):
    """Somebody is over a rate or has too many sockets; go on after `met.retry_after_ms`."""

    code = "slow_down"


class TokenError(GatewayError):
    """The token is missing, malformed, expired, or for another wedding or use; get a new one."""

    code = "bad_token"


class OwnerUnreachable(GatewayError):
    """Nobody answers for the wedding yet: its owner is starting, or the store is away; try again in a second."""

    code = "waking"


class TooOld(GatewayError):
    """The owner no longer keeps the envelopes that were asked for; take a snapshot instead."""

    code = "unavailable"


class WeddingUnknown(GatewayError):
    """There is no such wedding; check the id, or create it. `stand` says where its owner stood, if one answered."""

    code = "wedding_unknown"

    def __init__(self, stand: Stand | None = None) -> None:
        """`stand` is where the owner stood."""
        super().__init__()
        self.stand = stand


class Overloaded(GatewayError):
    """More ops wait for the log than the gateway may hold; keep the op and send it again later."""

    code = "unavailable"


class LogUnusable(GatewayError):
    """The log has lost ops, and nothing is saved until an operator has replaced it; keep the op and send it again later."""

    code = "unavailable"


class LogSilent(GatewayError):
    """The log has acknowledged nothing for a while though NATS is there; keep the op and send it again later."""

    code = "unavailable"

    def __init__(self) -> None:
        """Tell the author what it is, since only an operator can help."""
        super().__init__(message="The log has not answered for some seconds: nothing of this op was saved.")


class LogRefused(GatewayError):
    """The log took none of it, surely; keep the op and send it again under the same number."""

    code = "unavailable"


class LogFull(LogRefused):
    """The log has no room for new ops at the moment, so nothing was saved; keep the op and send it again later."""

    def __init__(self) -> None:
        """Tell the author what it is, since only an operator can help."""
        super().__init__(message="The log is full: nothing was saved.", remedy="Keep the op and send it again in a minute.")


class Refused(GatewayError):
    """An op is refused before the log: nothing was stored and no number consumed.

    `op` is its id as far as it could be read ("" if it names none); `next` the number that is taken next of its client.
    """

    code = "bad_frame"

    def __init__(
        self,
        code: str,
        message: str = "",
        remedy: str = "",
        *,
        op: str = "",
        following: int = 0,
        met: LimitMet | None = None,
    ) -> None:
        """As its base, with what the frame `rejected` needs."""
        super().__init__(code, message, remedy, met=met)
        self.op = op
        self.next = following


class PortBusy(GatewayError):
    """The port cannot be listened on; stop who holds it or choose another with WEDSYNC_PORT."""

    code = "unavailable"

    def __init__(self, message: str) -> None:
        """Say which port and why."""
        super().__init__(message=message, remedy="Stop who holds the port, or choose another with WEDSYNC_PORT.")

    def __str__(self) -> str:
        """One line for the person who starts the process."""
        return f"{self.message} {self.remedy}"
