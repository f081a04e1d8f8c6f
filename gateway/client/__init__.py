"""The Python client: connect, edit, listen, resume, pending state.

Uses the contract and aiohttp alone, so that it could be shipped apart from the server. `Client` is what programs use;
`Connection` is one bare socket for tests and tools.
"""

from gateway.client.client import Client
from gateway.client.connection import Connection
from gateway.client.durable import FileStore, QueueStore
from gateway.client.errors import (
    ClientError,
    ClientFailed,
    ConnectionClosed,
    ListenerTooSlow,
    NotReached,
    NotUndone,
    QueueFull,
    QueueUnusable,
    Stopped,
)
from gateway.client.pending import Outcome, Pending
from gateway.client.returning import Returned, ReturnReport
from gateway.client.status import State, Status
from gateway.client.text_editor import TextEditor
from gateway.client.undoing import Undone

__all__ = [
    "Client",
    "ClientError",
    "ClientFailed",
    "Connection",
    "ConnectionClosed",
    "FileStore",
    "ListenerTooSlow",
    "NotReached",
    "NotUndone",
    "Outcome",
    "Pending",
    "QueueFull",
    "QueueStore",
    "QueueUnusable",
    "ReturnReport",
    "Returned",
    "State",
    "Status",
    "Stopped",
    "TextEditor",
    "Undone",
]
