"""The stage: people connected to one wedding, verbs for what they do, and the narrator who tells it on the terminal.

Every verb waits until all who may see a thing have seen it, and checks that the others have not. Raises StoryFailed.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from inspect import cleandoc
from time import perf_counter

import aiohttp
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.rule import Rule

from config.cli.importing import Site
from config.demo.cast import CAST, Person
from config.errors import ConfigError
from gateway.client import Client, Outcome, Pending

_PATIENCE_SECONDS = 15.0


class StoryFailed(ConfigError):
    """The story came out otherwise than told: {what}."""

    code = "story_failed"

    def __init__(self, what: str) -> None:
        super().__init__(cleandoc(type(self).__doc__ or "").format(what=what))


class Stage:
    """Six people in one wedding."""

    def __init__(self, people: Mapping[str, Person], tunnel: asyncio.Event, console: Console) -> None:
        self.people = people
        self.console = console
        #: Set while Oskar's train is not in the tunnel.
        self.tunnel = tunnel

    def person(self, identifier: str) -> Person:
        return self.people[identifier]

    def scene(self, title: str) -> None:
        """Begin a scene."""
        self.console.print()
        self.console.print(Rule(title, align="left", style="dim"))

    def tell(self, text: str) -> None:
        """Say a sentence (rich markup)."""
        self.console.print(Padding(text, (0, 0, 0, 2), expand=False))

    def note(self, text: str) -> None:
        """Say what the system did about it."""
        self.console.print(Padding(text, (0, 0, 0, 6), expand=False), style="dim")

    async def does(self, identifier: str, words: str, pending: Pending) -> Outcome:
        """Tell what somebody does; return when it is applied and everybody who may read it has it."""
        started = perf_counter()
        person = self.person(identifier)
        self.tell(f"{person.name} {words}")
        outcome = await self._answer(pending)
        if not outcome.applied:
            raise StoryFailed(f"{words!r} was refused ({outcome.code})")
        readers, others = await self._seen_by(outcome)
        milliseconds = (perf_counter() - started) * 1000
        channels = ", ".join(f"{channel} {sequence}" for channel, sequence in outcome.sequences.items())
        unseen = f"; not by {', '.join(others)}" if others else ""
        self.note(f"{channels}: seen by {', '.join(readers)} after {milliseconds:.0f} ms{unseen}")
        return outcome

    async def is_refused(self, identifier: str, words: str, pending: Pending, code: str) -> None:
        """Tell what somebody tries and may not; the code must be this one."""
        self.tell(f"{self.person(identifier).name} {words}")
        outcome = await self._answer(pending)
        if outcome.applied or outcome.code != code:
            raise StoryFailed(f"{words!r} was answered with {outcome.code or 'applied'} instead of {code}")
        self.note(f"refused, {outcome.code}: {escape(outcome.message)} {escape(outcome.remedy)}")

    async def _answer(self, pending: Pending) -> Outcome:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await pending.outcome()

    async def _seen_by(self, outcome: Outcome) -> tuple[list[str], list[str]]:
        readers, others = [], []
        for person in self.people.values():
            wanted = {channel: sequence for channel, sequence in outcome.sequences.items() if person.may_read(channel)}
            if not wanted:
                others.append(person.part.name)
            elif person.client.is_synced:
                await _reach(person.client, wanted)
                readers.append(person.part.name)
        return readers, others


async def _reach(client: Client, wanted: Mapping[str, int]) -> None:
    """Wait until a client has applied these sequences."""

    def reached() -> bool:
        held = client.sequences()
        return all(held.get(channel, 0) >= sequence for channel, sequence in wanted.items())

    await client.until(reached, within_seconds=_PATIENCE_SECONDS)


@asynccontextmanager
async def stage_of(site: Site, wedding: str, console: Console) -> AsyncIterator[Stage]:
    """Connect the cast to the wedding; everybody leaves at the end."""
    tunnel = asyncio.Event()
    tunnel.set()

    async def token_of_oskar() -> str:
        # A phone without a network cannot fetch a token either.
        await tunnel.wait()
        return site.token(wedding, "oskar")

    async with AsyncExitStack() as stack:
        people = {}
        for part in CAST:
            http = await stack.enter_async_context(aiohttp.ClientSession())
            token = token_of_oskar if part.id == "oskar" else site.token(wedding, part.id)
            person = Person(part, Client(site.url, wedding, token, session=http))
            people[part.id] = person
            await stack.enter_async_context(person.client)
        yield Stage(people, tunnel, console)
