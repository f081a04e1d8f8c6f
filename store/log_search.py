"""Finding single messages of the log by their subject, without reading what lies between. For markers, which are few.

Asked of the stream itself, so that what was acknowledged before is found. Called at take-over and by `wedsync rules`.
"""

import base64
from typing import Final, NamedTuple

from store.bus import Bus
from store.errors import JetStreamError

_NO_MESSAGE: Final = 10037


class Found(NamedTuple):
    """One message as the log holds it."""

    position: int
    subject: str
    data: bytes


async def messages_after(bus: Bus, stream: str, subject: str, position: int) -> list[Found]:
    """Every message above a position whose subject matches, in order; raises StoreError."""
    found: list[Found] = []
    while True:
        try:
            answer = await bus.js_request(f"STREAM.MSG.GET.{stream}", {"seq": position + 1, "next_by_subj": subject})
        except JetStreamError as error:
            if error.err_code == _NO_MESSAGE:
                return found
            raise
        message = answer["message"]
        position = int(message["seq"])
        found.append(Found(position, message["subject"], base64.b64decode(message.get("data", ""))))
