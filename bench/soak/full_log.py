"""The campaign of the full log: a small store limit, PostgreSQL standing still so that nothing may be trimmed, and large ops.

Writers must be refused in words, readers must go on, and once PostgreSQL goes on everything must heal without a restart.
`python -m bench.soak full-log`; every other promise is checked over the history as in any soak.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import psutil

from bench.installation import Installation, Site
from bench.soak.checks import everything
from bench.soak.crowd import Crowd, gathered
from bench.soak.history import History
from bench.soak.members import soak_wedding
from bench.soak.reminders import fired_in, silent
from bench.soak.report import counts, errors_in, heading, verdict
from bench.soak.run import Options, at_the_end
from bench.soak.stored import decisions_of, proofs_of
from bench.soak.strike import frozen
from bench.wedding_load import MemberPlan, found_weddings
from gateway.client import Client, ClientError

LOG_BYTES: Final = 16 * 1024 * 1024
RATE: Final = 10.0
DOCUMENTS: Final = 8
DOCUMENT_CHARACTERS: Final = 45_000
WRITERS: Final = 4
#: The log must be full within this time, a reader served, a writer answered, and writing possible again.
FULL_WITHIN_SECONDS: Final = 90.0
READ_WITHIN_SECONDS: Final = 20.0
ANSWER_WITHIN_SECONDS: Final = 15.0
HEALED_WITHIN_SECONDS: Final = 60.0
REFUSALS_ASKED: Final = 20
_ENVIRONMENT: Final = {
    "WEDSYNC_LOG_LEVEL": "info",
    "WEDSYNC_LOG_MAX_BYTES": str(LOG_BYTES),
    "WEDSYNC_LOG_TRIM_INTERVAL_SECONDS": "1",
}


class Answer(NamedTuple):
    """What a writer of large ops was told: the HTTP status, 0 for silence, and the code and remedy of a refusal."""

    status: int
    code: str = ""
    remedy: str = ""

    @property
    def is_clear_refusal(self) -> bool:
        return self.status == HTTPStatus.SERVICE_UNAVAILABLE and self.code == "unavailable" and bool(self.remedy)


class Writer:
    """Somebody who writes large documents over HTTP, without sending anything again."""

    def __init__(self, site: Site, plan: MemberPlan, session: aiohttp.ClientSession) -> None:
        self._url = f"{site.url}/api/collaboration/events/{plan.wedding}"
        self._headers = {"Authorization": f"Bearer {plan.token}"}
        self._session = session
        self._number = 0

    async def write(self) -> Answer:
        """Write one of the documents anew."""
        self._number += 1
        name, text = f"document-{self._number % DOCUMENTS}", f"{self._number}:" + "x" * DOCUMENT_CHARACTERS
        target = {"collection": "documents", "id": name}
        return await self._post("insert" if self._number <= DOCUMENTS else "update", target, {"title": name, "text": text})

    async def _post(self, action: str, target: dict[str, str], data: dict[str, str]) -> Answer:
        body = {"type": "document_edit", "action": action, "target": target, "data": data}
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_SECONDS)
        try:
            async with self._session.post(self._url, json=body, headers=self._headers, timeout=timeout) as response:
                members: dict[str, Any] = await response.json(content_type=None)
                return Answer(response.status, members.get("code", ""), members.get("remedy", ""))
        except (aiohttp.ClientError, TimeoutError):
            return Answer(0)


async def run_full_log(folder: Path, options: Options) -> int:
    """Run it and print; returns how much is broken."""
    print(heading(options.seed, 0.0, RATE, {}), flush=True)
    installation = Installation(folder, gateways=2, hosts=2, environment=_ENVIRONMENT)
    history = History(folder / "history.jsonl")
    async with installation, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        site = installation.site
        plans = await found_weddings(site, 4, 3, soak_wedding(), prefix="soak")
        weddings = sorted({plan.wedding for plan in plans})
        async with gathered(history, site, plans, session) as crowd:
            async with _working(crowd, options):
                offences = await _fill_and_heal(site, Writer(site, plans[0], session), plans[-1])
            actors, copies, differences = await at_the_end(crowd, site, weddings, options)
        offences += differences + await proofs_of(site, actors)
        stored = await decisions_of(site, weddings)
    history.close()
    print(counts(history.entries, [], 0, len(stored), fired_in(stored)))
    print(errors_in(installation.log_path))
    offences += silent(stored) + everything(history.entries, stored, actors, copies)
    print(verdict(offences, options.seed, history.path, options.shown), flush=True)
    return len(offences)


@asynccontextmanager
async def _working(crowd: Crowd, options: Options) -> AsyncIterator[None]:
    """Everybody edits beside it, and in the end has every answer."""
    ended = asyncio.Event()
    patience = options.healed_seconds
    working = asyncio.create_task(crowd.work(options.seed, RATE, ended.is_set, patience_seconds=patience, publishers=1))
    try:
        yield
    finally:
        ended.set()
        await working
        await crowd.answered(patience)


async def _fill_and_heal(site: Site, writer: Writer, reader: MemberPlan) -> list[str]:
    """The story itself; returns what was not as promised."""
    before = _restarts(site)
    postgres = psutil.Process(next(entry["pid"] for entry in site.processes() if entry["role"] == "postgres"))
    with frozen(postgres):
        began = time.monotonic()
        answers = await _write_until_full(writer)
        print(f"full after {time.monotonic() - began:.1f} s: {dict(Counter(answer.status for answer in answers))}", flush=True)
        refused = [await writer.write() for _ in range(REFUSALS_ASKED)]
        offences = [f"full: a writer was told {answer}" for answer in refused if not answer.is_clear_refusal]
        if not answers or not answers[-1].is_clear_refusal:
            offences.append(f"full: the log did not get full within {FULL_WITHIN_SECONDS:g} s, or nobody was told")
        offences += await _read(site, reader)
    offences += await _write_again(writer)
    after = _restarts(site)
    offences += [f"full: {name} was restarted" for name in after if after[name] != before.get(name)]
    return offences


async def _write_until_full(writer: Writer) -> list[Answer]:
    answers: list[Answer] = []
    ends = time.monotonic() + FULL_WITHIN_SECONDS
    while time.monotonic() < ends and not (answers and answers[-1].is_clear_refusal):
        answers += await asyncio.gather(*(writer.write() for _ in range(WRITERS)))
    return answers


async def _read(site: Site, reader: MemberPlan) -> list[str]:
    """Somebody who was never there before must see the wedding while nobody can write."""
    began = time.monotonic()
    try:
        async with aiohttp.ClientSession() as session:
            client = Client(site.url, reader.wedding, reader.token, session=session)
            await client.connect(within_seconds=READ_WITHIN_SECONDS)
            channels = len(client.sequences())
            await client.close()
    except ClientError as error:
        return [f"full: a reader could not join: {error}"]
    print(f"a reader who joined while it was full saw {channels} channels after {time.monotonic() - began:.1f} s", flush=True)
    return []


async def _write_again(writer: Writer) -> list[str]:
    began, answers = time.monotonic(), []
    while time.monotonic() < began + HEALED_WITHIN_SECONDS:
        answers.append(await writer.write())
        if answers[-1].status == HTTPStatus.OK:
            print(f"writing again {time.monotonic() - began:.1f} s after PostgreSQL went on", flush=True)
            return []
        await asyncio.sleep(0.2)
    return [f"full: nobody could write {HEALED_WITHIN_SECONDS:g} s after PostgreSQL went on; last {answers[-1]}"]


def _restarts(site: Site) -> dict[str, Sequence[Any]]:
    """Pid and restarts of every process."""
    return {entry["id"]: (entry["pid"], entry["restarts"]) for entry in site.processes()}
