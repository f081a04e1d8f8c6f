"""What every bus of a host keeps (actors.runtime.ports.Bus): the one in memory and NATS alike."""

import pytest

from store.bus import Message
from store.errors import BusDown
from tests.simulation.conftest import Ports
from tests.support.waiting import eventually

pytestmark = pytest.mark.servers


class _Heard:
    def __init__(self) -> None:
        self.payloads: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        self.payloads.append(message.data)
        if message.data == b"fault":
            raise ValueError


async def test_d2_listeners_hear_what_is_theirs_in_order(ports: Ports) -> None:
    """Of one subject or of all below one, from others and from themselves; a handler that fails hears the next."""
    one, below, own = _Heard(), _Heard(), _Heard()
    await ports.other_bus.subscribe("members.r0", one)
    await ports.other_bus.subscribe("actors.r0.3.>", below)
    await ports.bus.subscribe("members.r0", own)
    await ports.bus.barrier()
    await ports.other_bus.barrier()
    for subject, payload in (
        ("members.r0", b"1"),
        ("members.r0", b"fault"),
        ("actors.r0.3.w.w1.digest", b"2"),
        ("actors.r0.31.w.w1.digest", b"3"),
        ("members.r0", b"4"),
    ):
        await ports.bus.publish(subject, payload)
    await eventually(lambda: len(one.payloads) == len(own.payloads) == 3, "all is heard")
    await eventually(lambda: below.payloads, "the question is heard")
    assert (one.payloads, own.payloads, below.payloads) == ([b"1", b"fault", b"4"], [b"1", b"fault", b"4"], [b"2"])


async def test_d2_who_has_unsubscribed_hears_nothing_more(ports: Ports) -> None:
    """Others go on hearing."""
    gone, stays = _Heard(), _Heard()
    subscription = await ports.other_bus.subscribe("members.r0", gone)
    await ports.other_bus.subscribe("members.r0", stays)
    await ports.other_bus.barrier()
    await subscription.unsubscribe()
    await ports.other_bus.barrier()
    await ports.bus.publish("members.r0", b"1")
    await eventually(lambda: stays.payloads, "it is heard")
    assert gone.payloads == []


async def test_d2_nothing_is_sent_without_a_connection(ports: Ports) -> None:
    """The sender is told so at once."""
    await ports.bus.close()
    with pytest.raises(BusDown):
        await ports.bus.publish("members.r0", b"1")
    with pytest.raises(BusDown):
        await ports.bus.barrier()
