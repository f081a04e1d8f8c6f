"""The errors of the Python client: one base, a stable code each, the class docstring as the default message.

Refusals of ops are no errors: they come back as `Outcome`, so that a program can go on.
"""

from inspect import cleandoc


class ClientError(Exception):
    """The client cannot go on; the message says why."""

    code = "client_error"

    def __init__(self, message: str = "") -> None:
        """Say `message`, or the docstring of the class where nothing more exact is known."""
        self.message = message or cleandoc(type(self).__doc__ or "")
        super().__init__(self.message)


class ConnectionClosed(ClientError):
    """The socket is closed; connect again and resume."""

    code = "connection_closed"

    def __init__(self, close_code: int, message: str = "") -> None:
        """Keep the close code: it says whether to come back."""
        self.close_code = close_code
        super().__init__(message or f"The socket was closed with {close_code}.")


class Stopped(ClientError):
    """The server said not to come back: correct the token, the wedding or the client's version, then make a new client."""

    code = "stopped"

    def __init__(self, close_code: int, reason: str, message: str = "") -> None:
        """Keep the server's code, such as `bad_token`, in `reason`."""
        self.close_code = close_code
        self.reason = reason
        super().__init__(message or f"The server closed with {close_code} ({reason}) and said not to come back.")


class ClientFailed(ClientError):
    """The client met a fault of its own and has ended; report the fault that it names, and make a new client."""

    code = "client_failed"


class QueueFull(ClientError):
    """Too many ops wait for an answer; wait until some are answered before editing further."""

    code = "queue_full"


class QueueUnusable(ClientError):
    """The kept queue belongs to another client or wedding, or cannot be read; use another file."""

    code = "queue_unusable"


class HistoryMissing(ClientError):
    """The server asks for ops that this client no longer holds, or has forgotten the client; it goes on under a new client id."""

    code = "history_missing"


class ListenerTooSlow(ClientError):
    """The listener took its events too slowly and missed some; read the view again and listen anew."""

    code = "listener_too_slow"


class NotReached(ClientError):
    """The state that was waited for did not come in time; look at the connection and at what the others sent."""

    code = "not_reached"


class NotUndone(ClientError):
    """The server did not take the op back; the message says why."""

    code = "not_undone"
