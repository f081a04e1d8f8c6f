"""The rules between settings, each a function that returns a sentence when it is broken.

Called by config.settings when settings are read; a rule on one setting alone stands beside that setting.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from config.limits import RATES, names_of_rate

if TYPE_CHECKING:
    from config.settings import Settings

JWT_SECRET_BYTES: Final = 32
_ORIGIN: Final = re.compile(r"https?://[^/?#@\s]+")


def member_timeout_outlasts_heartbeats(settings: "Settings") -> str | None:
    """A host that misses one heartbeat must not lose its partitions."""
    least = 2 * settings.heartbeat_interval_seconds
    if settings.member_timeout_seconds >= least:
        return None
    return (
        f"WEDSYNC_MEMBER_TIMEOUT_SECONDS is {settings.member_timeout_seconds:g}; it must be at least twice "
        f"WEDSYNC_HEARTBEAT_INTERVAL_SECONDS, here {least:g}"
    )


def reader_silence_outlasts_heartbeats(settings: "Settings") -> str | None:
    """A log reader must not be created anew because one idle heartbeat was late."""
    least = 2 * settings.reader_heartbeat_seconds
    if settings.reader_silence_seconds >= least:
        return None
    return (
        f"WEDSYNC_READER_SILENCE_SECONDS is {settings.reader_silence_seconds:g}; it must be at least twice "
        f"WEDSYNC_READER_HEARTBEAT_SECONDS, here {least:g}"
    )


def streams_divide_among_partitions(settings: "Settings") -> str | None:
    """Every stream must get a partition."""
    if settings.log_streams <= settings.partitions:
        return None
    return f"WEDSYNC_LOG_STREAMS is {settings.log_streams}; it must not exceed WEDSYNC_PARTITIONS, here {settings.partitions}"


def heads_are_told_more_than_once(settings: "Settings") -> str | None:
    """A lost beacon must be followed by another that names the same wedding."""
    if settings.heads_window_seconds >= 2 * settings.heads_interval_seconds:
        return None
    return (
        f"WEDSYNC_HEADS_WINDOW_SECONDS is {settings.heads_window_seconds:g}; it must be at least twice "
        f"WEDSYNC_HEADS_INTERVAL_SECONDS, here {2 * settings.heads_interval_seconds:g}"
    )


def heads_silence_outlasts_beacons(settings: "Settings") -> str | None:
    """A gateway must not call a partition silent between two of its beacons."""
    if settings.heads_silence_seconds >= 2 * settings.heads_interval_seconds:
        return None
    return (
        f"WEDSYNC_HEADS_SILENCE_SECONDS is {settings.heads_silence_seconds:g}; it must be at least twice "
        f"WEDSYNC_HEADS_INTERVAL_SECONDS, here {2 * settings.heads_interval_seconds:g}"
    )


def jwt_secret_is_long_enough(settings: "Settings") -> str | None:
    """A short key could be guessed from one token."""
    length = len(settings.jwt_secret.get_secret_value().encode())
    if length == 0 or length >= JWT_SECRET_BYTES:
        return None
    return f"WEDSYNC_JWT_SECRET has {length} bytes; it must have at least {JWT_SECRET_BYTES}"


def bursts_cover_a_second(settings: "Settings") -> str | None:
    """A burst below the rate would refuse a client that keeps to the rate."""
    limits = settings.limits
    for rate, burst in (names_of_rate(*each) for each in RATES):
        least, most = getattr(limits, rate), getattr(limits, burst)
        if most < least:
            return f"WEDSYNC_LIMIT_{burst.upper()} is {most}; it must be at least WEDSYNC_LIMIT_{rate.upper()}, here {least}"
    return None


def frames_hold_what_they_carry(settings: "Settings") -> str | None:
    """One op and one piece of a snapshot, with what surrounds them, must fit into one frame."""
    limits = settings.limits
    largest = max(limits.op_bytes, limits.snapshot_chunk_bytes)
    if limits.frame_bytes >= largest + 1024:
        return None
    return (
        f"WEDSYNC_LIMIT_FRAME_BYTES is {limits.frame_bytes}; it must exceed WEDSYNC_LIMIT_OP_BYTES and "
        f"WEDSYNC_LIMIT_SNAPSHOT_CHUNK_BYTES by 1024, here {largest + 1024}"
    )


def origins_of(text: str) -> frozenset[str]:
    """The origins that a setting lists, separated by commas, in lower case as browsers compare them."""
    return frozenset(each.strip().lower() for each in text.split(",") if each.strip())


def origins_are_origins(settings: "Settings") -> str | None:
    """An address with a path, or without a scheme, would never equal what a browser sends."""
    for origin in sorted(origins_of(settings.allowed_origins) - {"*"}):
        if not _ORIGIN.fullmatch(origin):
            return f"WEDSYNC_ALLOWED_ORIGINS names {origin!r}; write each as https://wedding.example, with nothing after the host"
    return None


RULES: Final[tuple[Callable[["Settings"], str | None], ...]] = (
    member_timeout_outlasts_heartbeats,
    reader_silence_outlasts_heartbeats,
    streams_divide_among_partitions,
    heads_are_told_more_than_once,
    heads_silence_outlasts_beacons,
    jwt_secret_is_long_enough,
    bursts_cover_a_second,
    frames_hold_what_they_carry,
    origins_are_origins,
)


def contradictions(settings: "Settings") -> list[str]:
    """Return one sentence for each rule that `settings` break."""
    return [sentence for rule in RULES if (sentence := rule(settings)) is not None]
