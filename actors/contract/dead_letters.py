"""Dead letters: copies of ops that could not be taken or decided, in the stream DEAD (`wedsync.dead.>`), for people to see."""

import base64

import msgspec


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the op stood, why it is here, and its bytes as text, or in base64 when they are none."""

    subject: str
    position: int
    reason: str
    op: str
    base64: bool = False


def dead_letter(subject: str, position: int, reason: str, op: bytes) -> bytes:
    """Encode a dead letter."""
    try:
        letter = DeadLetter(subject, position, reason, op.decode())
    except UnicodeDecodeError:
        letter = DeadLetter(subject, position, reason, base64.b64encode(op).decode(), base64=True)
    return msgspec.json.encode(letter)
