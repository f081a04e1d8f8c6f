"""The six people of the story, each with a client of their own, and what each of them has seen.

A person is a role, a device and a pair of eyes; the scenes are in `story`.
"""

from typing import Any, Final, NamedTuple

from actors.contract.changes import ChannelItems
from actors.contract.channels import may_read, rights_of
from actors.contract.events import Event
from gateway.client import Client


class Part(NamedTuple):
    """Who plays whom: id and role as in the wedding we ship."""

    id: str
    name: str
    role: str
    said_to_be: str
    color: str


CAST: Final = (
    Part("ines", "Inês", "couple", "the bride", "magenta"),
    Part("beatriz", "Beatriz", "planner", "the planner", "cyan"),
    Part("petala", "Pétala", "vendor", "the florist", "green"),
    Part("tacho", "Tacho", "vendor", "the caterer", "yellow"),
    Part("halina", "Halina", "family", "the groom's mother", "blue"),
    Part("oskar", "Oskar", "friend", "the best man", "red"),
)


class Person:
    """One of them at work: the client, and every event that reached it."""

    def __init__(self, part: Part, client: Client) -> None:
        self.part = part
        self.client = client
        self.seen: list[Event] = []
        self.syncs: list[tuple[str, bool, int]] = []
        client.listening.on_event.append(self.seen.append)
        client.listening.on_sync.append(lambda report: self.syncs.append((report.channel, report.snapshot, len(report.events))))

    def may_read(self, channel: str) -> bool:
        """Whether the channel is this person's to read, as the role says."""
        return may_read(rights_of(self.part.role, self.part.id), channel)

    @property
    def name(self) -> str:
        """The name in its colour, as rich markup."""
        return f"[bold {self.part.color}]{self.part.name}[/]"

    def items(self, collection: str) -> dict[str, dict[str, Any]]:
        """What the person sees of a collection."""
        view: ChannelItems = self.client.view()
        return view.get(collection, {})
