"""The rare states that a soak reached: figures that hosts and gateways give of themselves, and what they wrote to the log.

A campaign that never reached a state has proved nothing about it, so those are named too. Asked again and again while the
processes live, since what is killed takes its figures along: the counts are at least these.
"""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import nats
import nats.errors

from bench.installation import Site
from config.supervision.nats_permissions import inbox_prefix
from config.supervision.roles import role_settings

EVERY_SECONDS: Final = 1.0
_ANSWERS_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 0.5
#: A figure of a host or gateway, and how the report calls the state behind it.
FIGURES: Final = {
    "guard_refusals": "flush refused, another owner was first",
    "silent_folds": "silent fold wrote what did not fit",
    "buffer_overflows": "flush buffer thrown away",
    "restarts_as_new": "host missed its own heartbeats and began anew",
    "answered_ops": "repeat answered again",
    "timers_sent": "timer scheduled, or scheduled again",
    "firings_ignored": "firing ignored that was no longer armed",
    "look_ups": "outcome looked up in the stored changes",
    "reads_behind": "read answered `behind`",
    "flush_failures": "flush failed",
    "activation_failures": "wedding could not wake at once",
    "publish_failures": "envelope not published",
    "holes": "room met a hole",
    "catch_ups": "room fetched what it missed",
    "stale_envelopes": "envelope of a late owner ignored",
    "permission_refreshes": "envelope waited for newer permissions",
    "messages_held_back": "message between actors held back until its turn",
    "gateway_commit_repeats": "publish to the log sent again",
    "channels_resumed_by_events": "channel resumed by events",
    "internal_errors": "op met a fault of the rules",
    "digest_mismatches": "client held another digest",
    "generation_changes": "generation raised",
    "messages_missing": "message between actors lost with a log",
}
#: An event of the log of the processes, likewise.
EVENTS: Final = {
    "log_reader_recreated": "log reader's consumer made anew",
    "group_commit_repeats": "group commit refused or unknown",
    "share_put_off": "share of partitions put off",
    "drain_cut_short": "drain cut short",
    "left_over_process_ended": "process of an earlier life ended",
    "room_restarts": "room ended and made anew",
    "log_trimmed": "log trimmed",
}
#: What must not be reached at all, and is shown with the offences elsewhere.
NEVER: Final = frozenset({"internal_errors", "digest_mismatches", "generation_changes", "messages_missing"})


class Figures:
    """Asks every host and gateway for its figures, until cancelled."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._last: dict[str, dict[str, Any]] = {}

    async def run(self) -> None:
        """Ask again and again; who does not answer now may answer later."""
        while True:
            with suppress(nats.errors.Error, OSError, TimeoutError, ValueError):
                await self._ask()
            await asyncio.sleep(_RETRY_SECONDS)

    async def _ask(self) -> None:
        settings = role_settings(self._site.data, "operator")
        connection = await nats.connect(
            settings.nats_url.get_secret_value(),
            user=settings.nats_user,
            password=settings.nats_password.get_secret_value(),
            inbox_prefix=inbox_prefix("operator").encode(),
            error_cb=_ignore,
            allow_reconnect=False,
            connect_timeout=1,
        )
        try:
            while not connection.is_closed:
                inbox = connection.new_inbox()
                answers = await connection.subscribe(inbox)
                await connection.publish("$SRV.STATS", reply=inbox)
                with suppress(TimeoutError, nats.errors.TimeoutError):
                    while True:
                        self._take(json.loads((await answers.next_msg(timeout=_ANSWERS_SECONDS)).data))
                await answers.unsubscribe()
                await asyncio.sleep(EVERY_SECONDS)
        finally:
            await connection.close()

    def _take(self, answer: dict[str, Any]) -> None:
        for endpoint in answer.get("endpoints", ()):
            self._last[answer["id"]] = endpoint.get("data", {})

    def totals(self) -> Counter[str]:
        """The sum over all processes that ever answered."""
        totals: Counter[str] = Counter()
        for figures in self._last.values():
            totals.update({name: int(figures[name]) for name in FIGURES if isinstance(figures.get(name), int | float)})
        return totals


async def _ignore(_: Exception) -> None:
    """A server that dies is what this is about."""


def reached(totals: Counter[str], log_path: Path) -> str:
    """Two lines: what was reached how often, and what never."""
    counted: Counter[str] = Counter(totals)
    for line in log_path.read_text(errors="replace").splitlines():
        with suppress(ValueError):
            event = json.loads(line).get("event")
            if event in EVENTS:
                counted[event] += 1
    names = {**FIGURES, **EVENTS}
    some = [f"{names[name]} {counted[name]} times" for name in names if counted[name]]
    never = [names[name] for name in names if not counted[name] and name not in NEVER]
    return f"reached: {'; '.join(some) or 'nothing'}\nnever reached: {'; '.join(never) or 'nothing'}"
