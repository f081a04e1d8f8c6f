"""The close codes of a WebSocket and what each asks of the client; docs/protocol.md lists the same."""

from typing import Final

#: What a close without a code is answered with.
OK: Final = 1000
#: Frames that RFC 6455 does not allow.
PROTOCOL_ERROR: Final = 1002
#: The connection broke; this code never travels.
ABNORMAL: Final = 1006
#: Nothing was heard for a while; come back at once.
GONE: Final = 1001
#: Come back at once: this gateway ends or starts the wedding's room anew.
RESTART: Final = 1012
#: A text frame was not UTF-8.
INVALID_TEXT: Final = 1007
#: A fault of ours; come back after a while.
INTERNAL_ERROR: Final = 1011
#: Come back after a while.
TRY_LATER: Final = 1013
#: What was sent is no valid conversation; do not come back with the same.
BAD_FRAME: Final = 4400
#: Get a new token, then come back.
BAD_TOKEN: Final = 4401
#: Not a member; do not come back.
NOT_ALLOWED: Final = 4403
#: There is no such wedding; do not come back.
WEDDING_UNKNOWN: Final = 4404
#: Update the client.
VERSION_UNSUPPORTED: Final = 4406
#: Read too slowly; come back and resume.
SLOW_READER: Final = 4408
#: Far too many frames after several warnings, or sockets of one person; wait, then come back.
TOO_MANY: Final = 4429
#: The log was restored; come back and take snapshots.
GENERATION_CHANGED: Final = 4409

#: The close that follows each error before `welcome`.
CLOSE_CODES: Final = {
    "bad_frame": BAD_FRAME,
    "bad_id": BAD_FRAME,
    "bad_token": BAD_TOKEN,
    "not_allowed": NOT_ALLOWED,
    "wedding_unknown": WEDDING_UNKNOWN,
    "version_unsupported": VERSION_UNSUPPORTED,
    "waking": TRY_LATER,
    "slow_down": TOO_MANY,
}
