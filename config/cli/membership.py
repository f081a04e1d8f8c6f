"""Reading and adding members of a wedding, as the operator: questions to its owner, ops through INTAKE.

Used by `wedsync token` and `wedsync integrator`. An op counts as done when the wedding shows it, not when it is saved.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import msgspec

from actors.contract.calls import ChannelChunk, Member, PermissionsBody, Question, Reply, StateQuestion
from actors.contract.ids import RESERVED_IDS, is_token
from actors.contract.ops import Op, Target
from actors.contract.subjects import VENDOR, WEDDING, call_subject, intake_subject, outcome_subject
from config.cli.errors import BadName, NoAnswer, OpRefused
from config.settings import Settings
from config.supervision.data_folder import NATS_USERS
from config.supervision.nats_permissions import inbox_prefix
from store.bus import Bus, Message
from store.errors import NoResponder, RequestTimeout

OPERATOR: Final = "operator"
_ANSWER_WITHIN_SECONDS = 10.0
_CALL_TIMEOUT_SECONDS = 2.0
_ASK_AGAIN_SECONDS = 0.1
_ASK_AGAIN = frozenset({"behind", "waking"})


def check_id(text: str) -> str:
    """The id of a person or wedding; raises BadName for one that is malformed or ours."""
    if not is_token(text) or text in RESERVED_IDS or text in NATS_USERS:
        raise BadName(text=text)
    return text


class Standing(NamedTuple):
    """Where a wedding stands: its rev, and each channel's sequence and digest."""

    rev: int
    channels: Mapping[str, tuple[int, str]]


class Desk:
    """The operator's desk: what is asked of one WedSync."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self._bus = bus
        self._settings = settings

    async def members(self, wedding: str) -> Mapping[str, Member] | None:
        """Everybody in the wedding; None when there is no such wedding."""
        replies = await self._ask(wedding, "permissions", Question())
        return None if replies is None else msgspec.json.decode(replies[0].body, type=PermissionsBody).members

    async def integrators(self, wedding: str) -> frozenset[str]:
        """The members that are marked as integrators."""
        return frozenset(person for person, said in (await self._permissions(wedding)).items() if said.get("integrator"))

    async def _permissions(self, wedding: str) -> Mapping[str, Mapping[str, object]]:
        """What the wedding says of persons and roles beyond the roles."""
        found: dict[str, Mapping[str, object]] = {}
        for reply in (await self._ask(wedding, "state", StateQuestion()) or [])[1:]:
            chunk = msgspec.json.decode(reply.body, type=ChannelChunk)
            if chunk.channel == "permissions.core":
                found |= msgspec.json.decode(chunk.state, type=dict[str, dict[str, dict[str, object]]]).get("permissions", {})
        return found

    async def standing(self, wedding: str, *, position: int = 0) -> Standing | None:
        """Where the wedding's actor stands, at or after this log position; None when there is no such wedding."""
        replies = await self._ask(wedding, "digest", Question(position))
        if replies is None:
            return None
        return Standing(replies[0].rev, msgspec.json.decode(replies[0].body, type=dict[str, tuple[int, str]]))

    async def bookings(self, vendor: str) -> Mapping[str, Mapping[str, Any]]:
        """The calendar of a supplier, by wedding and item; empty for one that nobody has asked."""
        found: dict[str, Mapping[str, Any]] = {}
        for reply in (await self._ask(vendor, "state", StateQuestion(), VENDOR) or [])[1:]:
            chunk = msgspec.json.decode(reply.body, type=ChannelChunk)
            found |= msgspec.json.decode(chunk.state, type=dict[str, dict[str, dict[str, Any]]]).get("bookings", {})
        return found

    async def add_member(self, wedding: str, person: str, role: str) -> None:
        """Insert the person; returns when the wedding has them, raises OpRefused or NoAnswer."""
        op = Op("permission_update", "insert", Target("people", person), data={"name": person, "role": role})

        async def is_member() -> bool:
            return person in (await self.members(wedding) or {})

        await self._submit(wedding, op, is_member)

    async def mark_integrator(self, wedding: str, person: str) -> None:
        """Let a member's NATS credentials read the feed."""
        action = "update" if person in await self._permissions(wedding) else "insert"
        op = Op("permission_update", action, Target("permissions", person), data={"integrator": True})

        async def is_integrator() -> bool:
            return person in await self.integrators(wedding)

        await self._submit(wedding, op, is_integrator)

    async def _submit(self, wedding: str, op: Op, is_done: Callable[[], Awaitable[bool]]) -> None:
        refusals: dict[str, str] = {}

        async def hear(message: Message) -> None:
            outcome = msgspec.json.decode(message.data, type=dict[str, object])
            if outcome.get("type") == "rejected":
                refusals[str(outcome.get("op"))] = f"{outcome.get('code')}: {outcome.get('message')}"

        listening = await self._bus.subscribe(outcome_subject(wedding, OPERATOR), hear)
        try:
            await self._bus.barrier()
            saved = await self._bus.request(
                intake_subject(wedding, OPERATOR), msgspec.json.encode(op), timeout_seconds=_ANSWER_WITHIN_SECONDS
            )
            number = msgspec.json.decode(saved, type=dict[str, object])["seq"]
            async with asyncio.timeout(_ANSWER_WITHIN_SECONDS):
                while not await is_done():  # the answer to an applied op of the operator is the state
                    for refused, reason in refusals.items():
                        if refused.endswith(f":{number}"):
                            raise OpRefused(user=op.target.id, reason=reason)
                    await asyncio.sleep(_ASK_AGAIN_SECONDS)
        except TimeoutError:
            raise NoAnswer(wedding=wedding, seconds=_ANSWER_WITHIN_SECONDS) from None
        finally:
            await listening.unsubscribe()

    async def _ask(self, wedding: str, call: str, question: msgspec.Struct, kind: str = WEDDING) -> list[Reply] | None:
        subject = call_subject(self._settings.region, kind, wedding, call, self._settings.partitions)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _ANSWER_WITHIN_SECONDS
        while loop.time() < deadline:
            # Nobody answers while a host takes over from another.
            with contextlib.suppress(NoResponder, RequestTimeout):
                replies = await self._bus.call(subject, msgspec.json.encode(question), timeout_seconds=_CALL_TIMEOUT_SECONDS)
                error = replies[0].error
                if error == "wedding_unknown":
                    return None
                if error not in _ASK_AGAIN:
                    return replies
            await asyncio.sleep(_ASK_AGAIN_SECONDS)
        raise NoAnswer(wedding=wedding, seconds=_ANSWER_WITHIN_SECONDS)


@asynccontextmanager
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    """Connect as the operator for one command."""
    bus = await Bus.connect(
        settings.nats_url.get_secret_value(),
        user=settings.nats_user,
        password=settings.nats_password.get_secret_value(),
        name="wedsync-cli",
        inbox_prefix=inbox_prefix(OPERATOR),
    )
    try:
        yield Desk(bus, settings)
    finally:
        await bus.close()
