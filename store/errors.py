"""The errors of the store: one base, a stable code each, and the class docstring as the message that names the remedy.

Exceptions of nats and asyncpg never pass beyond this package; callers catch these.
"""

from inspect import cleandoc
from typing import Final


class StoreError(Exception):
    """The store cannot do that; see the message and the log of the process."""

    code = "store_error"

    def __init__(self, message: str = "") -> None:
        """Say `message`, or the docstring of the class where nothing more exact is known."""
        self.message = message or cleandoc(type(self).__doc__ or "").split("\n", maxsplit=1)[0]
        super().__init__(self.message)


class BusDown(StoreError):
    """NATS cannot be reached at the moment; nothing was sent, try again when it is back."""

    code = "bus_down"


class NoLeader(BusDown):
    """JetStream has no leader for that at the moment, as when its server just died; nothing was done, try again."""

    code = "no_leader"


class BadMessage(StoreError):
    """The message is too large or its subject is malformed; it was not sent."""

    code = "bad_message"


class RequestTimeout(StoreError):
    """Nobody answered in time; ask again."""

    code = "request_timeout"


class NoResponder(StoreError):
    """Nobody listens on this subject; check that the process that should answer is running."""

    code = "no_responder"


#: Codes of JetStream that say something about the world and not about the request.
NO_MESSAGE: Final = 10037
STREAM_EXISTS: Final = 10058
STREAM_NOT_FOUND: Final = 10059


class JetStreamError(StoreError):
    """JetStream refused a request; the error code says why."""

    code = "jetstream_error"

    def __init__(self, status: int, err_code: int, description: str) -> None:
        """Keep the HTTP-like status and the exact error code of the server."""
        super().__init__(f"JetStream says {err_code}: {description}")
        self.status = status
        self.err_code = err_code


#: What the server says of a stream, or of its disk, that has no room.
_FULL = (10047, 10077)


class AppendRefused(StoreError):
    """The log refused the messages and stored none of them."""

    code = "append_refused"

    def __init__(self, err_code: int, description: str) -> None:
        """Keep the exact error code of the server."""
        super().__init__(f"The log refused the messages with {err_code}: {description}")
        self.err_code = err_code

    @property
    def is_full(self) -> bool:
        """Tell whether the log has no room."""
        return self.err_code in _FULL


class LogWentBack(AppendRefused):
    """The log has lost what was seen in it; nothing is appended until it is replaced with `wedsync reseed` or restored."""

    code = "log_went_back"

    def __init__(self, message: str) -> None:
        """Say what was seen."""
        super().__init__(0, message)
        self.message = message
        self.args = (message,)


class AppendUnknown(StoreError):
    """Nobody knows whether the messages were stored; append them again one by one, in order."""

    code = "append_unknown"


class LogMismatch(StoreError):
    """The log and the database do not belong together; start with the folder of both, or restore both from one backup."""

    code = "log_mismatch"


class LogIsWhole(StoreError):
    """The log is whole and fits what is stored: nothing to replace. To begin a new one all the same, give --force."""

    code = "log_is_whole"


class LogIsForeign(StoreError):
    """The log belongs to another database; start with its own, or give --force to delete it."""

    code = "log_is_foreign"


class ReseedUnfinished(StoreError):
    """Replacing the log was begun and not finished; run `wedsync reseed` again."""

    code = "reseed_unfinished"


class ReseedRuns(StoreError):
    """Somebody else replaces the log at this moment; wait for them, then look with `wedsync status`."""

    code = "reseed_runs"


class GenerationChanged(StoreError):
    """The log was replaced by another incarnation; this process must start anew."""

    code = "generation_changed"


class StoreUnavailable(StoreError):
    """PostgreSQL cannot be reached at the moment; nothing was written, try again when it is back."""

    code = "store_unavailable"


class BlockUnreadable(StoreError):
    """A stored block of decisions cannot be decoded; restore PostgreSQL from a backup that has it, see docs/operations.md."""

    code = "block_unreadable"


class NotStoredYet(StoreError):
    """Newer decisions of this wedding are not stored yet and no longer in memory; ask again when they are stored."""

    code = "not_stored_yet"


class MigrationChanged(StoreError):
    """A migration was edited after it had been applied; put it back and add a new file instead."""

    code = "migration_changed"


PASSING = (StoreUnavailable, GenerationChanged, NotStoredYet)
"""What a reader of stored changes may meet that says nothing about them."""

AWAY = (BusDown, NoResponder, RequestTimeout, StoreUnavailable)
"""What passes by itself when a server comes back: who starts while one is away waits and tries again."""
