"""Answering questions about the weddings of owned partitions (design D2, D4, D8; actors.contract.calls).

An owner behind the position that the questioner names waits a second, then says `behind`; one that has been stopped or cut off,
or has given the partition up, says nothing. Questions are rare: each is a task, and there is a bound on how many.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, assert_never

import msgspec
import structlog

from actors.contract.calls import (
    AuditQuestion,
    HistoryQuestion,
    PastQuestion,
    Question,
    SinceQuestion,
    StateQuestion,
    UndoQuestion,
    WhyQuestion,
)
from actors.contract.ids import is_token
from actors.contract.subjects import call_filter
from actors.domain.kinds import KINDS
from actors.runtime import answers, audits, backlog, field_writes, past_events, past_states, undo_plans
from actors.runtime.actor import Actor
from actors.runtime.answers import Speaker
from actors.runtime.errors import NotOwned, NotRemembered, StillWaking
from actors.runtime.log_reader import reached
from actors.runtime.partition import Partition
from actors.runtime.ports import Subscription
from actors.runtime.publish import send
from actors.runtime.resources import Background, Resources
from store.bus import Message
from store.errors import StoreError

MAX_QUESTIONS: Final = 1000
AnyQuestion = (
    Question | StateQuestion | SinceQuestion | HistoryQuestion | PastQuestion | WhyQuestion | UndoQuestion | AuditQuestion
)
_QUESTIONS: Final[dict[str, type[AnyQuestion]]] = {
    "state": StateQuestion,
    "since": SinceQuestion,
    "permissions": Question,
    "digest": Question,
    "history": HistoryQuestion,
    "past": PastQuestion,
    "why": WhyQuestion,
    "undo": UndoQuestion,
    "audit": AuditQuestion,
}
_decoders: Final = {call: msgspec.json.Decoder(form) for call, form in _QUESTIONS.items()}
log = structlog.get_logger()


class Address(NamedTuple):
    """Whom a question is about."""

    partition: int
    kind: str
    id: str
    call: str


class Calls:
    """The ear and the mouth of the partitions that a host owns."""

    def __init__(
        self, resources: Resources, background: Background, partitions: Mapping[int, Partition], is_current: Callable[[], bool]
    ) -> None:
        self._resources = resources
        self._background = background
        self._partitions = partitions
        self._is_current = is_current
        self._subscriptions: dict[int, Subscription] = {}
        self.questions = 0

    async def listen_to(self, numbers: Iterable[int]) -> None:
        """Listen to the questions of exactly these partitions; raises BusDown when the server cannot be told of new ones."""
        wanted = set(numbers)
        bus, region = self._resources.bus, self._resources.settings.region
        gained = wanted - self._subscriptions.keys()
        for number in gained:
            self._subscriptions[number] = await bus.subscribe(call_filter(region, number), self._on_question)
        if gained:
            # Who is told that this host serves shall find a listener.
            await bus.barrier()
        for number in self._subscriptions.keys() - wanted:
            await self._subscriptions.pop(number).unsubscribe()

    async def _on_question(self, message: Message) -> None:
        address = _address(message.subject)
        if address is None or not message.reply or address.partition not in self._partitions:
            return
        self._resources.counters.reads += 1
        if self.questions >= MAX_QUESTIONS:
            await self._send(message, answers.error_reply(self._speaker(self._partitions[address.partition]), "behind"))
            return
        self.questions += 1
        self._background.start(self._answer(address, message), f"answer {message.subject}")

    async def _answer(self, address: Address, message: Message) -> None:
        partition = self._partitions.get(address.partition)
        try:
            if partition is None:
                return
            replies = await self._replies(partition, address, message.data)
            if self._is_current() and not partition.is_dropped:
                await self._send(message, replies)
        except NotOwned:
            log.debug("question_left_to_the_new_owner", subject=message.subject)
        except Exception:
            # A question that cannot be answered hurts the one who asked it, who hears nothing and asks again.
            log.exception("question_met_a_fault", subject=message.subject)
        finally:
            self.questions -= 1

    async def _replies(self, partition: Partition, address: Address, data: bytes) -> list[bytes]:
        wait_seconds = self._resources.settings.read_behind_wait_seconds
        try:
            question = _decoders[address.call].decode(data)
            if not await reached(partition, question.position, wait_seconds):
                self._resources.counters.reads_behind += 1
                return answers.error_reply(self._speaker(partition), "behind")
            actor = await partition.awake(address.kind, address.id, wait_seconds)
            if actor.is_unknown:
                partition.forget_unknown(actor)
                return answers.error_reply(self._speaker(partition), "wedding_unknown")
            bodies = await self._bodies(actor, address.call, question)
            return answers.replies(self._speaker(partition), actor.awake_state, bodies)
        except msgspec.MsgspecError:
            return answers.error_reply(self._speaker(partition), "bad_question")
        except NotRemembered:
            return answers.error_reply(self._speaker(partition), "too_old")
        except (StillWaking, StoreError):
            return answers.error_reply(self._speaker(partition), "waking")

    async def _bodies(self, actor: Actor, call: str, question: AnyQuestion) -> Iterable[bytes]:
        store, limits = self._resources.store, self._resources.settings.limits
        match question:
            case StateQuestion():
                return answers.state_bodies(actor.awake_state, content=question.content)
            case SinceQuestion():
                async with self._resources.reading:
                    return answers.list_bodies(await backlog.envelopes_since(store, actor, question, limits))
            case HistoryQuestion():
                async with self._resources.reading_the_past, self._resources.reading:
                    events, end = await past_events.events_since(store, actor, question, limits)
                    return [*answers.list_bodies(events), answers.body(end)]
            case PastQuestion():
                async with self._resources.reading_the_past, self._resources.reading:
                    past = await past_states.state_at(store, actor, past_states.moment_of(question))
                return answers.past_bodies(past, question.rights)
            case WhyQuestion():
                async with self._resources.reading_the_past, self._resources.reading:
                    writes, end = await field_writes.field_writes(store, actor, question)
                return [*answers.list_bodies(writes), answers.body(end)]
            case UndoQuestion():
                async with self._resources.reading_the_past, self._resources.reading:
                    return [answers.body(await undo_plans.undo_plan(store, actor, question))]
            case AuditQuestion():
                async with self._resources.reading_the_past, self._resources.reading:
                    counters = self._resources.counters
                    return [answers.body(await audits.audit(store, counters, actor, repair=question.repair))]
            case Question():
                body = answers.permissions_body if call == "permissions" else answers.digest_body
                return [body(actor.awake_state)]
        assert_never(question)

    def _speaker(self, partition: Partition) -> Speaker:
        return Speaker(self._resources.settings.host_id, self._resources.identity.generation, partition.position)

    async def _send(self, message: Message, replies: Iterable[bytes]) -> None:
        await send(self._resources.bus, self._resources.counters, [(message.reply, reply) for reply in replies])


def _address(subject: str) -> Address | None:
    """Take the subject of a question apart; None when it is none that any owner answers."""
    words = subject.split(".")
    if len(words) != 6 or not words[2].isdigit() or words[3] not in KINDS or not is_token(words[4]) or words[5] not in _decoders:
        return None
    return Address(int(words[2]), words[3], words[4], words[5])
