"""The story, scene by scene: what six people do on the way to their wedding, and who sees it.

Each scene is a short function on the stage; the order is `SCENES`. Ids are those of the wedding folder beside this file.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from config.demo.stage import Stage, StoryFailed

Scene = Callable[[Stage], Awaitable[None]]


async def arriving(stage: Stage) -> None:
    """Everybody opens the wedding and sees a part of it."""
    stage.scene("Six people open the wedding")
    for person in stage.people.values():
        counts = [f"{len(items)} {name}" for name, items in sorted(person.client.confirmed().items()) if name != "wedding"]
        stage.tell(f"{person.name}, {person.part.said_to_be}, sees {', '.join(counts)}")


async def looking_around(stage: Stage) -> None:
    """Presence: who is here and where they look, without a trace in the wedding's history."""
    stage.scene("Who is here")
    bride, planner, caterer = (stage.person(name) for name in ("ines", "beatriz", "tacho"))
    planner.client.show_presence({"section": "timeline.everyone", "item": "dinner-bell"})
    await caterer.client.until(lambda: caterer.client.presence.get("beatriz", {}).get("item") == "dinner-bell")
    stage.tell(f"{planner.name} looks at the dinner bell, and {caterer.name} sees that she does")
    bride.client.show_presence({"status": "busy", "section": "budget.core", "item": "b10"})
    await planner.client.until(lambda: planner.client.presence.get("ines", {}).get("item") == "b10")
    await caterer.client.until(lambda: caterer.client.presence.get("ines", {}).get("status") == "busy")
    if "b10" in str(caterer.client.presence):
        raise StoryFailed("the caterer sees where the bride is in the budget")
    stage.tell(f"{bride.name} looks at the price of the band: {planner.name} sees it, {caterer.name} only that she is busy")


async def the_arch(stage: Stage) -> None:
    """The florist changes the timeline of the team."""
    stage.scene("The arch takes longer")
    florist = stage.person("petala").client
    words = "needs an hour for the arch instead of 45 minutes"
    await stage.does("petala", words, florist.update("timeline", "arch-move", {"durationMin": 60}))
    planner = stage.person("beatriz").client
    words = "moves the dinner bell by five minutes, which all guests may know"
    await stage.does("beatriz", words, planner.update("timeline", "dinner-bell", {"start": "2027-09-11T17:40:00Z"}))


async def answers_and_seats(stage: Stage) -> None:
    """RSVP by the family, seating by the planner, and two people at one chair."""
    stage.scene("Answers and seats")
    mother, planner = stage.person("halina").client, stage.person("beatriz").client
    words = "calls cousin g012, who will come and takes the cod"
    await stage.does("halina", words, mother.update("guests", "g012", {"rsvp": "yes", "meal": "cod"}))
    for guest in ("g012", "g013"):
        await stage.does("beatriz", f"seats {guest} at the table Vistula", planner.update("guests", guest, {"table": "t08"}))
    stage.tell("Now both move g013 at the same moment, without having seen each other's hand:")
    first = mother.update("guests", "g013", {"table": "t01"})
    second = planner.update("guests", "g013", {"table": "t09"})
    await stage.does("halina", "wants g013 at the head table", first)
    await stage.does("beatriz", "wants g013 at the table San", second)
    [halina_sees, beatriz_sees] = [stage.person(name).items("guests")["g013"]["table"] for name in ("halina", "beatriz")]
    if halina_sees != beatriz_sees:
        raise StoryFailed(f"one sees g013 at {halina_sees}, the other at {beatriz_sees}")
    table = stage.person("halina").items("tables")[str(halina_sees)]["name"]
    stage.tell(f"The log had one order, so both see the same: g013 sits at [bold]{table}[/]")


async def the_band_costs_more(stage: Stage) -> None:
    """The couple changes the budget; the florist never learns of it."""
    stage.scene("The band costs more")
    bride, florist = stage.person("ines").client, stage.person("petala")
    words = "raises the band to 13,800 złoty and tells nobody but the planner"
    await stage.does("ines", words, bride.update("budget", "b10", {"estimate": 1380000}))
    words = "adds 40 euro to the chapel flowers, which Halina pays"
    await stage.does("ines", words, bride.update("budget", "b06", {"estimate": 136000}))
    if florist.items("budget") or any(event.channel.startswith("budget") for event in florist.seen):
        raise StoryFailed("the florist has seen the budget")
    stage.tell(f"{florist.name} has not received a byte of it")
    words = "tries to write a price into the budget"
    await stage.is_refused("petala", words, florist.client.insert("budget", "b99", {"item": "More flowers"}), "not_allowed")
    words = "asks for the first look, which only couple and planner know"
    oskar = stage.person("oskar").client
    await stage.is_refused("oskar", words, oskar.update("timeline", "first-look", {"title": "Found it"}), "not_found")


async def words_and_work(stage: Stage) -> None:
    """A message to all, and a task that gets done."""
    stage.scene("Words and work")
    bride, planner, caterer = (stage.person(name).client for name in ("ines", "beatriz", "tacho"))
    text = "We have put the last boat on the timeline. Nobody has to swim."
    await stage.does(
        "ines", f'writes to everyone: "{text}"', bride.insert("messages", "last-boat", {"text": text, "audience": "everyone"})
    )
    await stage.does(
        "beatriz", "notes a task: candles for 120", planner.insert("tasks", "candles", {"title": "120 candles", "done": False})
    )
    await stage.does("tacho", "brings the candles and ticks the task off", caterer.update("tasks", "candles", {"done": True}))


async def a_surprise(stage: Stage) -> None:
    """The team plans something that one of the couple does not see, and a guest keeps a note that nobody else does."""
    stage.scene("A surprise, and a note to oneself")
    planner, bride, oskar = (stage.person(name).client for name in ("beatriz", "ines", "oskar"))
    boats = {"title": "Forty paper boats with candles", "audience": "surprise-ines", "done": False}
    await stage.does("beatriz", "plans paper boats on the river, a surprise for Inês", planner.insert("tasks", "boats", boats))
    if "boats" in stage.person("ines").items("tasks"):
        raise StoryFailed("the bride sees her surprise")
    words = "tries an id that she has heard somebody whisper"
    await stage.is_refused("ines", words, bride.update("tasks", "boats", {"audience": "team"}), "not_found")
    words = "lets herself read all surprises, and still does not see her own"
    await stage.does("ines", words, bride.insert("permissions", "ines", {"read": ["tasks.surprise"]}))
    if "boats" in stage.person("ines").items("tasks"):
        raise StoryFailed("the bride has opened her surprise")
    note = {"title": "Speech, third try", "text": "Do not mention the kayak.", "audience": "private-oskar"}
    await stage.does("oskar", "keeps the draft of his speech to himself", oskar.insert("documents", "speech", note))


async def the_tunnel(stage: Stage) -> None:
    """A phone loses its connection, its owner goes on writing, and it comes back without anything lost."""
    stage.scene("The train enters a tunnel")
    oskar, bride = stage.person("oskar"), stage.person("ines").client
    stage.tunnel.clear()
    await oskar.client.disconnect()
    await oskar.client.until(lambda: not oskar.client.is_synced)
    stage.tell(f"{oskar.name} has no network and writes all the same:")
    written = oskar.client.insert("messages", "speech", {"text": "The speech is now four pages.", "audience": "everyone"})
    stage.note(f"on his phone: {len(oskar.items('messages'))} messages, one of them not sent yet")
    missed: list[tuple[str, str, dict[str, Any]]] = [
        ("moves the port tasting to half past five", "port-tasting", {"start": "2027-09-11T16:30:00Z"}),
        ("gives the rice five minutes less", "rice", {"durationMin": 20}),
        ("calls the last song by its name", "last-song", {"title": "Last song: Hej, sokoły"}),
    ]
    for words, item, values in missed:
        await stage.does("ines", words, bride.update("timeline", item, values))
    oskar.syncs.clear()
    stage.tunnel.set()
    await oskar.client.until(lambda: oskar.client.is_synced)
    caught_up = sum(events for _, _, events in oskar.syncs)
    if caught_up != len(missed) or any(snapshot for _, snapshot, _ in oskar.syncs):
        raise StoryFailed(f"Oskar caught up with {oskar.syncs} instead of {len(missed)} events")
    stage.tell(f"{oskar.name} is back and catches up with exactly {caught_up} events, no whole state")
    await stage.does("oskar", "sees his message leave by itself", written)


async def a_secret_comes_out(stage: Stage) -> None:
    """An item changes its audience: it leaves one channel and arrives whole in the other."""
    stage.scene("A secret comes out")
    bride, oskar = stage.person("ines").client, stage.person("oskar")
    await stage.does(
        "ines", "shows the first look to everyone", bride.update("timeline", "first-look", {"visibility": "everyone"})
    )
    await oskar.client.until(lambda: "first-look" in oskar.items("timeline"))
    stage.tell(f"{oskar.name} now finds it: {oskar.items('timeline')['first-look']['title']}")


SCENES: Final[tuple[Scene, ...]] = (
    arriving,
    looking_around,
    the_arch,
    answers_and_seats,
    the_band_costs_more,
    words_and_work,
    a_surprise,
    the_tunnel,
    a_secret_comes_out,
)
