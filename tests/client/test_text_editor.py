"""An editor that is closed while something is on its way: what was typed arrives where it belongs, then nobody listens."""

from typing import Any

from gateway.client import Client, TextEditor
from tests.client.scripted_server import CLIENT, Peer, ScriptedServer, event, meet
from tests.support.waiting import eventually

CHANNEL = "documents.core"
VOWS = {"documents": {"vows": {"title": "Vows", "text": "I do"}}}


async def meet_with_vows(server: ScriptedServer, client: Client) -> Peer:
    """Let a client in that reads one text, at sequence 7 of its channel."""
    peer = await meet(server, client)
    await peer.snapshot(CHANNEL, 7, VOWS, reason="granted")
    await client.until(lambda: client.confirmed() == VOWS)
    return peer


async def tell(peer: Peer, *events: dict[str, Any]) -> None:
    """Send events in one frame."""
    await peer.send({"type": "collaboration_event", "events": list(events)})


async def closed_while_typing(client: Client, peer: Peer) -> tuple[TextEditor, dict[str, Any]]:
    """An editor that was closed with one edit in flight, which is the op, and one behind it."""
    editor = TextEditor(client, "documents", "vows")
    editor.insert(4, ", Ben")
    editor.insert(9, " my love")
    editor.close()
    return editor, await peer.receive_op()


async def nobody_listens(client: Client) -> None:
    """Wait until no editor follows this client."""
    await eventually(lambda: not client.listening.on_event + client.listening.on_sync, "the editor has left")


async def test_what_was_typed_behind_an_edit_in_flight_is_sent_after_a_close_on_the_text_that_then_is(
    server: ScriptedServer,
) -> None:
    """It counts as made on what the edit before it has made of the text, and the editor leaves when it is confirmed."""
    client = Client(server.url, "w1", "t")
    peer = await meet_with_vows(server, client)
    editor, first = await closed_while_typing(client, peer)
    assert (first["base"], first["data"]["delta"]) == ({CHANNEL: 7}, [{"retain": 4}, {"insert": ", Ben"}])
    await peer.edited(CHANNEL, 8, first)
    second = await peer.receive_op()
    assert (second["base"], second["data"]["delta"]) == ({CHANNEL: 8}, [{"retain": 9}, {"insert": " my love"}])
    await peer.edited(CHANNEL, 9, second)
    await editor.until_saved()
    assert editor.text == "I do, Ben my love" == client.confirmed()["documents"]["vows"]["text"]
    await nobody_listens(client)
    await client.close()


async def test_a_closed_editor_moves_what_was_typed_over_what_others_write_meanwhile(server: ScriptedServer) -> None:
    """It follows the others until its own last word has arrived."""
    client = Client(server.url, "w1", "t")
    peer = await meet_with_vows(server, client)
    _, first = await closed_while_typing(client, peer)
    theirs = {"collection": "documents", "id": "vows", "edit": {"text": [{"insert": "Yes, "}]}}
    await tell(peer, event(CHANNEL, 8, theirs))
    await client.until(lambda: client.sequences() == {CHANNEL: 8})
    await peer.edited(CHANNEL, 9, {**first, "data": {"delta": [{"retain": 9}, {"insert": ", Ben"}]}})
    second = await peer.receive_op()
    assert (second["base"], second["data"]["delta"]) == ({CHANNEL: 9}, [{"retain": 14}, {"insert": " my love"}])
    await client.close()


async def test_a_closed_editor_leaves_when_nothing_is_on_its_way_or_its_item_is_gone(server: ScriptedServer) -> None:
    """At once, when its last edit is refused, and when somebody deletes the item; closing again does nothing."""
    client = Client(server.url, "w1", "t")
    peer = await meet_with_vows(server, client)
    idle = TextEditor(client, "documents", "vows")
    idle.close()
    await nobody_listens(client)
    idle.close()
    refused = TextEditor(client, "documents", "vows")
    refused.insert(0, "No, ")
    refused.close()
    await peer.receive_op()
    await peer.reject(f"{CLIENT}:1", "not_allowed", 2)
    await nobody_listens(client)
    assert refused.refused is not None
    bereft = TextEditor(client, "documents", "vows")
    bereft.insert(0, "Yes, ")
    bereft.close()
    await peer.receive_op()
    await tell(peer, event(CHANNEL, 8, {"collection": "documents", "id": "vows", "remove": True}))
    await nobody_listens(client)
    await client.close()


async def test_a_closed_editor_follows_its_item_into_another_channel(server: ScriptedServer) -> None:
    """The item goes from one channel and comes into the other in one frame, and is not gone in between."""
    client = Client(server.url, "w1", "t")
    peer = await meet_with_vows(server, client)
    _, first = await closed_while_typing(client, peer)
    await peer.edited(CHANNEL, 8, first)
    await peer.receive_op()
    moved = {"collection": "documents", "id": "vows", "insert": {"title": "Vows", "text": "I do, Ben"}}
    leaving = event(CHANNEL, 9, {"collection": "documents", "id": "vows", "remove": True})
    await tell(peer, leaving, event("documents.team", 1, moved))
    await client.until(lambda: client.sequences() == {CHANNEL: 9, "documents.team": 1})
    await peer.reject(f"{CLIENT}:2", "base_too_old", 3)
    again = await peer.receive_op()
    assert (again["base"], again["data"]["delta"]) == ({"documents.team": 1}, [{"retain": 9}, {"insert": " my love"}])
    await client.close()
