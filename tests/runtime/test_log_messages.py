"""Taking log messages apart."""

import pytest

from actors.runtime.log_messages import Undecodable, decode_message

SUBJECT = "log.r0.44.w.w77.ana"


@pytest.mark.parametrize(
    ("subject", "data"),
    [
        (SUBJECT, b"{"),
        (SUBJECT, b'{"op":{"type":"x","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"),
        ("log.r0.44.w.w77", b"{}"),
        ("log.r0.44.x.w77.ana", b'{"op":{"type":"t","action":"a","target":{"collection":"c","id":"i"}},"source":"http"}'),
    ],
    ids=["malformed", "nested too deeply", "no address", "unknown kind"],
)
def test_d1_a_message_that_is_no_op_is_told_apart(subject: str, data: bytes) -> None:
    """Whatever lies in the log raises the one error that the fold puts aside; nothing else may end the reader."""
    with pytest.raises(Undecodable):
        decode_message(7, 1_000, subject, data)
