"""The supervisor with the real servers: start, restart, drain, and what a SIGKILL leaves behind."""

import asyncio
import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.supervision.data_folder import DataFolder
from config.supervision.errors import FolderInUse, ProcessDied, ProcessNotReady
from config.supervision.process import ProcessState
from config.supervision.processes import running, started_at
from config.supervision.runtime_state import current_state
from config.supervision.supervisor import Supervisor, end_left_over
from tests.supervision.stand_in_up import stand_in
from tests.support.waiting import eventually

pytestmark = pytest.mark.processes


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / ".wedsync")


@pytest.fixture
def up(folder: DataFolder) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts the stand-in `up` and returns when it has printed READY; ends whatever is left after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.supervision.stand_in_up", str(folder.path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"READY\n"
        return process

    yield start
    for process in started:
        assert process.stdout is not None
        process.stdout.close()
        process.kill()
        process.wait()


def pids_of(folder: DataFolder) -> list[int]:
    return [entry["pid"] for entry in folder.read_state()["processes"]]


def none_runs(pids: list[int]) -> bool:
    return all(running(pid) is None for pid in pids)


async def test_sigterm_leaves_nothing_behind(up: Callable[[], subprocess.Popen[bytes]], folder: DataFolder) -> None:
    """After SIGTERM every process has ended, PostgreSQL in order, and status says so."""
    process = up()
    pids = pids_of(folder)
    assert current_state(folder)["serving"]
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 30) == 0
    assert none_runs(pids)
    assert not (folder.postgres_directory / "postmaster.pid").exists()
    state = current_state(folder)
    assert not state["serving"]
    assert {entry["state"] for entry in state["processes"]} == {ProcessState.STOPPED}


async def test_sigkill_leaves_nothing_behind(up: Callable[[], subprocess.Popen[bytes]], folder: DataFolder) -> None:
    """When `up` is killed its processes die with it, and the next start uses the same ports and data."""
    process = up()
    pids, ports, keys = pids_of(folder), folder.ports(), folder.keys()
    process.kill()
    await eventually(lambda: none_runs(pids), "the children of a killed up end")
    assert not current_state(folder)["serving"]
    up()
    assert (folder.ports(), folder.keys()) == (ports, keys)
    assert current_state(folder)["serving"]


async def test_killed_process_is_started_again(up: Callable[[], subprocess.Popen[bytes]], folder: DataFolder) -> None:
    """Whatever is killed, server or role, is back under a new pid while the others go on."""
    up()
    for index, entry in enumerate(folder.read_state()["processes"]):
        others = [pid for pid in pids_of(folder) if pid != entry["pid"]]
        os.kill(entry["pid"], signal.SIGKILL)

        def is_back(index: int = index, old_pid: int = entry["pid"]) -> bool:
            now = folder.read_state()["processes"][index]
            return bool(now["pid"] != old_pid and now["state"] == ProcessState.READY and now["restarts"] == 1)

        await eventually(is_back, f"{entry['id']} is started again")
        assert [pid for pid in pids_of(folder) if pid in others] == others


_SLOW = """
import signal, time
for _ in range(LINES):
    print("STARTING", flush=True)
    time.sleep(0.5)
print(LAST, flush=True)
signal.pause()
"""


async def test_a_start_that_gets_on_has_its_time_anew(folder: DataFolder) -> None:
    """A child that says STARTING again and again is waited for beyond its time; one that falls silent after that is not."""
    folder.create()
    supervisor = Supervisor(folder, {})
    slow = stand_in("host", "host-1", _SLOW.replace("LINES", "12").replace("LAST", '"READY"'))
    await supervisor.start([dataclasses.replace(slow, ready_within_seconds=4.0)])
    silent = stand_in("host", "host-2", _SLOW.replace("LINES", "2").replace("LAST", '"nothing more"'))
    with pytest.raises(ProcessNotReady):
        await supervisor.start([dataclasses.replace(silent, ready_within_seconds=1.0)])
    await supervisor.stop()


async def test_a_process_that_ended_as_it_was_asked_has_not_died(folder: DataFolder) -> None:
    """Who ends with exit code 0, as after SIGTERM before an upgrade, is started again and no error is logged."""
    folder.create()
    supervisor = Supervisor(folder, {})
    polite = (
        "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); print('READY', flush=True); signal.pause()"
    )
    await supervisor.start([stand_in("gateway", "gateway-1", polite)])
    [pid] = pids_of(folder)
    with capture_logs() as events:
        os.kill(pid, signal.SIGTERM)
        await eventually(lambda: any(event["event"] == "process_restarted" for event in events), "it is started again")
    assert [event["event"] for event in events] == ["process_ended", "process_restarted"]
    assert {event["log_level"] for event in events} == {"info"}
    await supervisor.stop()


async def test_second_up_is_told_who_holds_the_folder(folder: DataFolder) -> None:
    """The lock names the pid of its holder, and is free again when the holder leaves."""
    with folder.locked():
        other = DataFolder(folder.path)
        with pytest.raises(FolderInUse, match=f"pid {os.getpid()}:"), other.locked():
            pass
    with folder.locked():
        pass


async def test_a_child_that_is_killed_at_its_first_start_is_started_again(folder: DataFolder, tmp_path: Path) -> None:
    """SIGKILL from elsewhere before it serves is no reason to give everything up, as a death of its own is."""
    first = f"import os, pathlib; p = pathlib.Path({str(tmp_path / 'was-here')!r}); known = p.exists(); p.touch()"
    code = f"{first}; known or os.kill(os.getpid(), 9)"
    folder.create()
    supervisor = Supervisor(folder, {})
    try:
        await supervisor.start([stand_in("host", "host-1", f"{code}; print('READY', flush=True); import signal; signal.pause()")])
        assert current_state(folder)["processes"][0]["state"] == ProcessState.READY
    finally:
        await supervisor.stop()


async def test_child_that_cannot_start_is_an_error(folder: DataFolder) -> None:
    """A child that ends before it is ready fails the start with its exit code instead of being tried for ever."""
    folder.create()
    supervisor = Supervisor(folder, {})
    try:
        with pytest.raises(ProcessDied, match="host-1 ended with exit code 3"):
            await supervisor.start([stand_in("host", "host-1", "raise SystemExit(3)")])
    finally:
        await supervisor.stop()


async def test_child_that_will_not_stop_is_killed(folder: DataFolder) -> None:
    """The drain ends: a child that ignores SIGTERM gets SIGKILL when its time is over."""
    folder.create()
    supervisor = Supervisor(folder, {})
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('READY', flush=True); signal.pause()"
    spec = dataclasses.replace(stand_in("host", "host-1", deaf), stop_within_seconds=0.1)
    await supervisor.start([spec])
    pids = pids_of(folder)
    await supervisor.stop()
    assert none_runs(pids)


def test_left_over_process_is_ended(folder: DataFolder) -> None:
    """What an earlier run left is ended at the next start; a program that got its pid since is not touched."""
    folder.create()
    with waiting_process() as left_over, waiting_process() as somebody_else:
        entry = {"id": "host-1", "stopSignal": int(signal.SIGTERM)}
        started = {process.pid: started_at(process.pid) or 0.0 for process in (left_over, somebody_else)}
        ours = {**entry, "pid": left_over.pid, "started": started[left_over.pid]}
        recycled = {**entry, "pid": somebody_else.pid, "started": started[somebody_else.pid] - 3600}
        folder.write_state({"processes": [ours, recycled]})
        end_left_over(folder)
        assert running(left_over.pid) is None
        assert running(somebody_else.pid) is not None


@contextmanager
def waiting_process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        yield process
        process.kill()


async def test_everything_killed_at_once_starts_again(up: Callable[[], subprocess.Popen[bytes]], folder: DataFolder) -> None:
    """SIGKILL of `up` and of all its processes, and a start in the same moment, end in a serving whole."""
    process = up()
    for pid in [process.pid, *pids_of(folder)]:
        with suppress(ProcessLookupError):  # it may have died with `up` already
            os.kill(pid, signal.SIGKILL)
    process.wait()
    up()
    assert current_state(folder)["serving"]


#: Notes its beginning and its end in the file named by JOURNAL; does not start while the file REFUSE is there.
_NOTING = """
import os, signal, sys
from pathlib import Path
if Path(os.environ["REFUSE"]).exists():
    sys.exit(1)
def note(what):
    with open(os.environ["JOURNAL"], "a") as journal:
        journal.write(f"{what} {os.environ['NAME']}\\n")
def leave(*_):
    note("end")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
note("begin")
print("READY", flush=True)
while True:
    signal.pause()
"""


async def test_gateways_are_replaced_one_by_one_each_by_one_that_serves(folder: DataFolder, tmp_path: Path) -> None:
    """A successor serves before the first is told to end; one that does not start leaves the first alone."""
    folder.create()
    journal, refuse = tmp_path / "journal", tmp_path / "refuse"
    supervisor = Supervisor(folder, {"httpUrl": "http://127.0.0.1:1", "natsUrl": "nats://127.0.0.1:1"})
    specs = [
        dataclasses.replace(
            stand_in("gateway", name, _NOTING),
            environment={**os.environ, "JOURNAL": str(journal), "REFUSE": str(refuse), "NAME": name},
        )
        for name in ("gateway-1", "gateway-2")
    ]

    def lines() -> list[str]:
        return journal.read_text().splitlines()

    await supervisor.start(specs)
    supervisor.roll("gateway")
    await eventually(lambda: len(lines()) == 6, "both are replaced")
    assert lines()[2:] == ["begin gateway-1", "end gateway-1", "begin gateway-2", "end gateway-2"]
    await eventually(lambda: {entry["restarts"] for entry in folder.read_state()["processes"]} == {1}, "the state says so")
    pids = pids_of(folder)
    refuse.touch()
    supervisor.roll("gateway")
    rolling = supervisor._rolling
    assert rolling is not None
    await rolling
    assert pids_of(folder) == pids
    assert not none_runs(pids)
    assert current_state(folder)["serving"]
    await supervisor.stop()
    assert none_runs(pids)
