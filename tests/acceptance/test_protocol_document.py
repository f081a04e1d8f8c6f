"""docs/protocol.md is true: its conversation, replayed word for word, and its tables.

A bare WebSocket says the client's lines to the real gateway; the shipped client is answered by a server with the gateway's lines.
"""

import asyncio
import re

import pytest

from actors.contract.changes import ChannelItems
from actors.contract.client_frames import ClientFrame
from actors.contract.collections import COLLECTIONS
from actors.contract.digest import channel_digest
from actors.contract.server_frames import ServerFrame
from gateway.client import Client, Connection
from tests.acceptance.conftest import Wedding
from tests.acceptance.conversation import PROTOCOL, Frame, Turn, filled, matches, read_conversation
from tests.client.scripted_server import Peer, ScriptedServer, scripted_server

#: The state behind each digest whose value depends on the wedding's id or would tell a reader nothing.
DIGESTS: dict[str, ChannelItems] = {
    "<digest-wedding>": {
        "wedding": {"garden": {"title": "Test", "date": "2027-06-19", "timeZone": "Europe/Zurich", "homeCurrency": "CHF"}}
    },
    "<digest-tasks>": {"tasks": {"flowers": {"title": "Order flowers", "done": True, "order": "a0"}}},
    "<digest-timeline>": {"timeline": {"toast": {"title": "Toast", "visibility": "everyone", "order": "a0"}}},
}


def known_words(wedding: str, token: str) -> dict[str, object]:
    """The words of one run that are known before it."""
    words: dict[str, object] = {"<wedding>": wedding, "<token>": token}
    for word, state in DIGESTS.items():
        renamed = {
            name: {wedding if key == "garden" else key: item for key, item in items.items()} for name, items in state.items()
        }
        words[word] = channel_digest(renamed)
    return words


async def test_the_conversation_with_a_bare_websocket(wedding: Wedding) -> None:
    """The real gateway answers the client's lines with exactly the frames that the document shows, and no others."""
    words = known_words(wedding.name, wedding.token("ana"))
    connection = await wedding.connect()
    for turn in read_conversation():
        if turn.after_break:
            await connection.close()
            connection = await wedding.connect()
        await connection.send(filled(turn.said, words))
        await hear(connection, [*turn.answers, *turn.lost], words)
    await connection.send({"type": "ping"})
    assert await connection.receive() == {"type": "pong"}
    await connection.close()


async def hear(connection: Connection, expected: list[Frame], words: dict[str, object]) -> None:
    """Receive as many frames as are expected; each must be one of them, in any order."""
    left = list(expected)
    while left:
        async with asyncio.timeout(10):
            frame = await connection.receive()
        found = next((each for each in left if matches(each, frame, dict(words))), None)
        assert found is not None, f"not in the document here: {frame}; expected one of {left}"
        matches(found, frame, words)
        left.remove(found)


async def test_the_conversation_with_the_shipped_client() -> None:
    """The Python client says exactly the client's lines when it is told to do what they say, and follows the answers."""
    words: dict[str, object] = known_words("garden", "a-token") | {
        "<limits>": {},
        "<version-1>": 4,
        "<version-2>": 5,
        "<version-3>": 6,
    }
    async with scripted_server() as server:
        client = Client(server.url, "garden", "a-token", client="20270619-k3v9q2")
        connecting = asyncio.create_task(client.connect())
        peer = await server.accept()
        for turn in read_conversation():
            peer = await next_peer(server, peer) if turn.after_break else peer
            prompt(client, turn.said)
            said = await peer.receive()
            assert matches(turn.said, said, words), f"the document has {turn.said}, the client says {said}"
            await peer.send(*(filled(answer, words) for answer in turn.answers))
            await followed(client, turn)
        await connecting
        assert client.confirmed()["tasks"] == DIGESTS["<digest-tasks>"]["tasks"]
        assert "timeline" not in client.view()
        assert client.unanswered == 0
        assert client.mismatches == 0
        await client.close()


async def next_peer(server: ScriptedServer, peer: Peer) -> Peer:
    """Break the connection and take the next one."""
    await peer.close()
    return await server.accept()


def prompt(client: Client, frame: Frame) -> None:
    """Have the client do what leads to this frame; hello, and presence after a reconnect, it says by itself."""
    match frame:
        case {"type": "collaboration_event", "op": op}:
            client.edit(op["type"], op["action"], op["target"]["collection"], op["target"]["id"], op.get("data"))
        case {"type": "presence_update", "presence": presence}:
            client.show_presence(presence)
        case {"type": "data_sync"}:
            client.verify()
        case _:
            pass


async def followed(client: Client, turn: Turn) -> None:
    """Wait until the client has followed the answers of a turn."""
    if turn.said["type"] == "hello":
        await client.until(lambda: client.is_synced)
    elif not turn.lost:
        await client.until(lambda: client.unanswered == 0)


@pytest.mark.parametrize(("union", "heading"), [(ClientFrame, "Frames of the client"), (ServerFrame, "Frames of the server")])
def test_the_tables_name_every_frame(union: object, heading: str) -> None:
    """Each frame of the contract stands in its table, and the table has no other."""
    section = PROTOCOL.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE))
    assert named == {frame.__struct_config__.tag for frame in union.__args__}  # type: ignore[attr-defined]  # a union type


def test_the_table_of_collections_is_the_code() -> None:
    """Each collection stands there with its op type, its fields and which of them are required."""
    section = PROTOCOL.read_text(encoding="utf-8").split("## Ops\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([a-z]+) \| ([a-z_]+) \| (.*) \|$", section, re.MULTILINE)
    documented = {
        name: (op_type, set(fields.replace("*", "").split()), set(re.findall(r"\*\*(\w+)\*\*", fields)))
        for name, op_type, fields in rows
    }
    assert documented == {
        name: (collection.type, set(collection.fields) - {"order"}, set(collection.required))
        for name, collection in COLLECTIONS.items()
    }
