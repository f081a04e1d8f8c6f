"""The confirmed state and the optimistic view, without any socket."""

import msgspec

from actors.contract.changes import ChannelItems
from actors.contract.events import Event
from actors.contract.ops import Op, Target
from gateway.client.optimistic import in_order, overlay
from gateway.client.replica import Followed, Replica
from tests.client.scripted_server import event


def live(channel: str, sequence: int, **change: object) -> Event:
    """An event as a socket would carry it."""
    return msgspec.convert(event(channel, sequence, {"collection": "timeline", "id": "toast", **change}), Event)


def test_an_item_changes_its_channel_in_one_step() -> None:
    """Two parts of one op remove an item here and insert it there; afterwards it stands once, whole, in the new channel."""
    replica = Replica()
    replica.follow(live("timeline.core", 1, insert={"title": "Toast"}))
    assert replica.channel_holding("timeline", "toast") == "timeline.core"
    replica.follow(live("timeline.core", 2, remove=True))
    replica.follow(live("timeline.team", 1, insert={"title": "Toast", "visibility": "team"}))
    assert replica.channel_holding("timeline", "toast") == "timeline.team"
    assert replica.items() == {"timeline": {"toast": {"title": "Toast", "visibility": "team"}}}
    assert replica.digests()["timeline.core"] == "0" * 16


def test_an_event_is_followed_only_in_its_turn() -> None:
    """The next sequence is applied, an earlier one is known, a later one is a gap and changes nothing."""
    replica = Replica()
    assert replica.follow(live("timeline.team", 2, insert={"title": "Toast"})) is Followed.GAP
    assert replica.channels == {}
    assert replica.follow(live("timeline.team", 1, insert={"title": "Toast"})) is Followed.APPLIED
    assert replica.follow(live("timeline.team", 1, remove=True)) is Followed.KNOWN
    assert replica.items() == {"timeline": {"toast": {"title": "Toast"}}}


def test_the_view_lays_waiting_ops_over_the_confirmed_state() -> None:
    """Insert, update with null, move and delete show at once, and the confirmed items stay as they are."""
    confirmed: ChannelItems = {
        "tasks": {"a": {"title": "A", "done": True, "order": "a0"}, "b": {"title": "B", "order": "a1"}, "x": {"title": "X"}}
    }

    def op(action: str, identifier: str, **data: object) -> Op:
        return Op("task_completion", action, Target("tasks", identifier), data=data)

    waiting = [
        op("insert", "c", title="C"),
        op("update", "a", title="A2", done=None),
        op("move", "a", after="b"),
        op("delete", "x"),
        op("update", "gone", title="?"),
    ]
    view = overlay(confirmed, waiting)
    assert [(identifier, fields["title"]) for identifier, fields in in_order(view["tasks"])] == [
        ("b", "B"),
        ("a", "A2"),
        ("c", "C"),
    ]
    assert "done" not in view["tasks"]["a"]
    assert confirmed["tasks"]["a"] == {"title": "A", "done": True, "order": "a0"}
