"""What a client gets for each channel when it comes: the events it missed, or the whole state. Pure: nothing here reads or sends.

Never partly. Events only within one generation, for a named channel that is not ahead of the server
and at most `resume_events` behind; their bytes, and whether they are still kept, are judged by `sync`, which falls back
to a snapshot.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from actors.contract.client_frames import Resume
from actors.contract.server_frames import Reason


class Choice(NamedTuple):
    """`after` is the sequence that the client has; it means nothing for a snapshot."""

    mode: Literal["snapshot", "events"]
    reason: Reason
    after: int = 0


def choose(resume: Resume | None, generation: int, sequences: Mapping[str, int], most_events: int) -> dict[str, Choice]:
    """Return the choice for each channel; `sequences` maps every readable channel that exists to its sequence."""
    return {channel: _choose_one(resume, generation, channel, sequence, most_events) for channel, sequence in sequences.items()}


def _choose_one(resume: Resume | None, generation: int, channel: str, sequence: int, most_events: int) -> Choice:
    if resume is None:
        return Choice("snapshot", "join")
    if resume.generation != generation:
        return Choice("snapshot", "generation")
    after = resume.channels.get(channel)
    if after is None:
        return Choice("snapshot", "join")
    if after > sequence or after < 0:
        # More than the server has can only be a mistake; the state corrects it.
        return Choice("snapshot", "repair")
    if sequence - after > most_events:
        return Choice("snapshot", "too_old")
    return Choice("events", "resume", after)


def withdrawn(resume: Resume | None, readable: Mapping[str, int]) -> list[str]:
    """The channels that a returning client named and that it may not read, or that do not exist (any more)."""
    return [] if resume is None else [channel for channel in resume.channels if channel not in readable]
