"""The end of the story: do all six views agree with the wedding's actor, channel by channel, digest by digest?

And did anybody see an event that was not theirs to read? Returns what is to be shown; nothing is printed here.
"""

from collections.abc import Mapping
from typing import NamedTuple

from rich.table import Table

from config.demo.cast import Person
from gateway.client import NotReached

_PATIENCE_SECONDS = 10.0


class Agreement(NamedTuple):
    """How the views stand to the actor: a table for the terminal, and every difference as a sentence."""

    table: Table
    differences: list[str]


async def compare(people: Mapping[str, Person], actor: Mapping[str, tuple[int, str]]) -> Agreement:
    """Compare each view with what the actor says of the channels that the person may read."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("channel", "at", "actor", *(person.name for person in people.values())):
        table.add_column(heading, no_wrap=True)
    differences = [difference for person in people.values() for difference in await _differences(person, actor)]
    views = {identifier: person.client.digests() for identifier, person in people.items()}
    for channel, (sequence, digest) in sorted(actor.items()):
        cells = [
            "[dim]-[/]" if channel not in view else "[green]same[/]" if view[channel] == digest else "[red]other[/]"
            for view in views.values()
        ]
        table.add_row(channel, str(sequence), digest, *cells)
    return Agreement(table, differences)


async def _differences(person: Person, actor: Mapping[str, tuple[int, str]]) -> list[str]:
    readable = {channel: head for channel, head in actor.items() if person.may_read(channel)}
    client, name = person.client, person.part.name
    try:
        await client.until(
            lambda: client.sequences() == {channel: sequence for channel, (sequence, _) in readable.items()},
            within_seconds=_PATIENCE_SECONDS,
        )
    except NotReached:
        return [f"{name} is at {client.sequences()} and should be at {readable}"]
    wrong = [f"{name} sees another {channel}" for channel, digest in client.digests().items() if digest != readable[channel][1]]
    leaked = {event.channel for event in person.seen if not person.may_read(event.channel)}
    return wrong + [f"{name} received events of {channel}" for channel in sorted(leaked)]
