"""The Python client: connect, edit, listen, resume, pending state.

Uses the contract and aiohttp alone, so that it could be shipped apart from the server. `Client` is what programs use;
`Connection` is one bare socket for tests and tools.
"""

from gateway.client.client import Client
from gateway.client.connection import Connection
from gateway.client.errors import ClientError, ConnectionClosed, ListenerTooSlow, NotReached, QueueFull, Stopped
from gateway.client.pending import Outcome, Pending
from gateway.client.text_editor import TextEditor

__all__ = [
    "Client",
    "ClientError",
    "Connection",
    "ConnectionClosed",
    "ListenerTooSlow",
    "NotReached",
    "Outcome",
    "Pending",
    "QueueFull",
    "Stopped",
    "TextEditor",
]
