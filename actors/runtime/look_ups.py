"""Answers to repeats so old that only the stored changes know their outcome (design D5).

A look-up is tried until Postgres answers; there are never more than a bounded number, and one that finds no place is left out,
since its client asks again after its next reconnect. Called by partitions.
"""

import asyncio
from typing import Final

import msgspec
import structlog

from actors.contract.decisions import Answer, Decision
from actors.runtime.actor import Actor
from actors.runtime.publish import send
from actors.runtime.resources import Background, Resources
from store.errors import StoreError

MAX_WAITING: Final = 1000
RETRY_SECONDS: Final = 0.5
log = structlog.get_logger()


class LookUps:
    """The look-ups of one host."""

    def __init__(self, resources: Resources, background: Background) -> None:
        self._resources = resources
        self._background = background
        self._waiting = 0

    def put(self, actor: Actor, answer: Answer) -> None:
        """Answer as soon as the outcome is found; never waits."""
        if self._waiting >= MAX_WAITING:
            log.warning("look_up_left_out", kind=actor.kind, id=actor.id, op=answer.op)
            return
        self._waiting += 1
        self._background.start(self._answer(actor, answer), f"look up {answer.op}")

    async def _answer(self, actor: Actor, answer: Answer) -> None:
        try:
            decision = await self._find(actor, answer)
            if decision is None:
                log.error("outcome_not_found", kind=actor.kind, id=actor.id, op=answer.op)
                return
            known = msgspec.structs.replace(answer, refusal=decision.refusal, look_up=False)
            publications = self._resources.publisher.of_answer(actor.fan, actor.awake_state, known, decision.source)
            self._resources.counters.look_ups += 1
            await send(self._resources.bus, self._resources.counters, publications)
        finally:
            self._waiting -= 1

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
            except StoreError as error:
                log.warning("look_up_waits", kind=actor.kind, id=actor.id, error=str(error))
            else:
                if found is not None or not actor.partition.has_gap:
                    return found
            await asyncio.sleep(RETRY_SECONDS)
        return None
