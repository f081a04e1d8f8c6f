"""What leaves a host about one op: envelopes to gateways, events and outcomes to integrators. Pure: returns subjects and bytes.

Everything is built from the decision and the state right after it, so two hosts that decide the same op say the same. Sending is
the caller's (`send`). Called by actors after each fold, and by look-ups for repeats.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
import structlog

from actors.contract.calls import Member
from actors.contract.channels import SERVICE_RIGHTS, Rights, may_read
from actors.contract.decisions import Answer, Decision, Refusal
from actors.contract.envelopes import Envelope, answer_envelope, envelope_of, without_events
from actors.contract.ids import SERVICE_PRINCIPALS
from actors.contract.server_frames import Applied, Rejected
from actors.contract.subjects import feed_subject, outcome_subject
from actors.domain import views
from actors.domain.state import ActorState
from actors.runtime.counters import Counters
from actors.runtime.ports import Bus
from store.errors import BusDown, StoreError

Publication = tuple[str, bytes]
_encode: Final = msgspec.json.Encoder().encode
log = structlog.get_logger()


class Audience:
    """The members of one wedding as the publisher needs them, kept until permissions change."""

    def __init__(self, state: ActorState) -> None:
        self.acl = state.acl
        self.members: dict[str, Member] = views.members(state)
        self.integrators: dict[str, Rights] = views.integrators(state)

    def rights_of(self, principal: str) -> Rights:
        """Return what a principal may read; nothing for somebody who is not in the wedding."""
        if principal in SERVICE_PRINCIPALS:
            return SERVICE_RIGHTS
        member = self.members.get(principal)
        return () if member is None else member.rights


class Publisher:
    """Builds the messages of one host's generation of the log."""

    def __init__(self, generation: int, envelope_bytes: int) -> None:
        self.generation = generation
        self._envelope_bytes = envelope_bytes

    def of_decision(self, fan: str, audience: Audience, decision: Decision, wedding: str) -> tuple[bytes, list[Publication]]:
        """Return the encoded envelope, whole, and everything to send."""
        envelope = envelope_of(decision, wedding, self.generation, audience.acl)
        encoded = _encode(envelope)
        sent = encoded if len(encoded) <= self._envelope_bytes else _encode(without_events(envelope))
        publications = [(fan, sent)]
        if audience.integrators:
            publications += _feeds(wedding, audience.integrators, envelope)
        if decision.source == "nats" and decision.waits is None:
            readable = any(may_read(audience.rights_of(decision.principal), part.channel) for part in decision.parts)
            if decision.refusal is not None or not readable:
                publications.append(_outcome(wedding, decision.principal, decision.op, decision.refusal))
        return encoded, publications

    def of_answer(self, fan: str, state: ActorState, answer: Answer, source: str) -> list[Publication]:
        """Return what to send for an op that was not taken or had been decided before."""
        publications = [(fan, _encode(answer_envelope(answer, self.generation, state.rev, state.acl)))]
        if source == "nats":
            publications.append(_outcome(state.id, answer.principal, answer.op, answer.refusal))
        return publications

    def encoded(self, decision: Decision, wedding: str, acl: int) -> bytes:
        """Return a stored decision's envelope, as it went out when it was decided."""
        return _encode(envelope_of(decision, wedding, self.generation, acl))


def _feeds(wedding: str, integrators: dict[str, Rights], envelope: Envelope) -> list[Publication]:
    return [
        (feed_subject(wedding, principal, part.channel), bytes(part.event))
        for part in envelope.parts
        for principal, rights in integrators.items()
        if may_read(rights, part.channel)
    ]


def _outcome(wedding: str, principal: str, op: str, refused: Refusal | None) -> Publication:
    frame = Applied(op) if refused is None else Rejected(op, refused.code, refused.message, refused.remedy)
    return outcome_subject(wedding, principal), _encode(frame)


async def send(bus: Bus, counters: Counters, publications: Iterable[Publication]) -> None:
    """Send over core NATS, at most once: what is lost is found through the heads beacon."""
    for subject, payload in publications:
        try:
            await bus.publish(subject, payload)
            counters.published_messages += 1
        except StoreError as error:
            counters.publish_failures += 1
            if not isinstance(error, BusDown):
                log.warning("message_not_sent", subject=subject, size=len(payload), error=error.message)
