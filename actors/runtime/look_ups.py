"""Answers to repeats so old that only the stored changes know their outcome (design D5).

A look-up is tried until Postgres answers; there are never more than a bounded number, and one that finds no place is left out,
since its client asks again after its next reconnect. Who asks for what cannot be read is told so. Called by partitions.
"""

import asyncio
from typing import Final

import msgspec
import structlog

from actors.contract.decisions import Answer, Decision, refusal
from actors.runtime.actor import Actor
from actors.runtime.publish import send
from actors.runtime.resources import Background, Resources
from store.errors import BlockUnreadable, NotStoredYet, StoreError

MAX_WAITING: Final = 1000
RETRY_SECONDS: Final = 0.5
_UNREADABLE: Final = refusal(
    "unavailable",
    "What became of this op cannot be read at the moment.",
    "It was decided and is not decided again: look at what stands there, or send it again later, under the same id.",
)
log = structlog.get_logger()


class LookUps:
    """The look-ups of one host."""

    def __init__(self, resources: Resources, background: Background) -> None:
        self._resources = resources
        self._background = background
        self._waiting = 0

    def put(self, actor: Actor, answer: Answer, source: str) -> None:
        """Answer as soon as the outcome is found; never waits. `source` is that of the op as it came this time."""
        if self._waiting >= MAX_WAITING:
            log.warning("look_up_left_out", kind=actor.kind, id=actor.id, op=answer.op)
            return
        self._waiting += 1
        self._background.start(self._answer(actor, answer, source), f"look up {answer.op}")

    async def _answer(self, actor: Actor, answer: Answer, source: str) -> None:
        try:
            decision = await self._find(actor, answer)
        except Exception:
            # One stored block must not end the host.
            log.exception("outcome_unreadable", kind=actor.kind, id=actor.id, op=answer.op)
            await self._tell(actor, msgspec.structs.replace(answer, refusal=_UNREADABLE, look_up=False), source)
        else:
            if decision is None:
                log.error("outcome_not_found", kind=actor.kind, id=actor.id, op=answer.op)
                return
            self._resources.counters.look_ups += 1
            await self._tell(actor, msgspec.structs.replace(answer, refusal=decision.refusal, look_up=False), decision.source)
        finally:
            self._waiting -= 1

    async def _tell(self, actor: Actor, answer: Answer, source: str) -> None:
        publications = self._resources.publisher.of_answer(actor.fan, actor.awake_state, answer, source)
        await send(self._resources.bus, self._resources.counters, publications)

    async def _find(self, actor: Actor, answer: Answer) -> Decision | None:
        """Look among the unflushed decisions, then in the store, until both have been seen without a gap between them."""
        while not actor.partition.is_dropped:
            for waiting in actor.unflushed:
                decided = waiting.decision
                if decided.op == answer.op and decided.principal == answer.principal and decided.waits is None:
                    return decided
            try:
                async with self._resources.reading:
                    found = await self._resources.store.find(actor.kind, actor.id, answer.principal, answer.op)
            except BlockUnreadable:
                raise
            except StoreError as error:
                log.warning("look_up_waits", kind=actor.kind, id=actor.id, error=str(error))
            else:
                if found is not None or not actor.partition.has_gap:
                    return found
                if actor.partition.is_held:
                    raise NotStoredYet  # that may take days, and the places of all others meanwhile
            await asyncio.sleep(RETRY_SECONDS)
        return None
