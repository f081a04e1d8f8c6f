"""`wedsync import`, `demo` and `verify` against a running system, and `verify` against stored data that was tampered with."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from bench.installation import Site
from config.supervision.roles import role_settings
from gateway.client import Client
from tests.importing.folders import SHIPPED, write_folder
from tests.support.agreement import digests_of_actor
from tests.support.requirements import require_shared
from tests.support.wedsync_process import WedSync


@pytest.fixture
async def database(site: Site) -> AsyncIterator[asyncpg.Connection]:
    """The product's own database, to damage it."""
    connection = await asyncpg.connect(role_settings(site.data, "host").database_url.get_secret_value())
    yield connection
    await connection.close()


def named(source: Path, target: Path, wedding: str) -> Path:
    """A copy of a wedding folder under another id, so that tests do not meet."""
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    content = json.loads((source / "wedding.json").read_text(encoding="utf-8"))
    (target / "wedding.json").write_text(json.dumps(content | {"id": wedding}), encoding="utf-8")
    return target


def lines_of(wedsync: WedSync, *arguments: str, exit_code: int = 0) -> list[str]:
    """Standard output of a command that ends with this code."""
    done = wedsync.run(*arguments)
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout.splitlines()


async def test_import_writes_a_folder_once(wedsync: WedSync, site: Site, tmp_path: Path) -> None:
    """The shipped wedding arrives whole; the same folder again changes nothing; vendors can come in."""
    folder = named(SHIPPED, tmp_path, "import-once")
    lines = lines_of(wedsync, "import", str(folder))
    assert lines[-1] == "imported import-once: 203 items, 9 problems"
    assert all(line.startswith("problem ") for line in lines[:-1])
    assert len(lines) == 10
    async with Client(site.url, "import-once", site.token("petala", "import-once")) as florist:
        assert florist.role == "vendor"
        before = florist.sequences()
        assert len(florist.confirmed()["vendors"]) == 10
    digests = await digests_of_actor(site, "import-once")
    assert lines_of(wedsync, "import", str(folder)) == lines
    async with Client(site.url, "import-once", site.token("petala", "import-once")) as florist:
        assert florist.sequences() == before
    assert await digests_of_actor(site, "import-once") == digests


async def test_import_again_changes_what_differs(wedsync: WedSync, site: Site, tmp_path: Path) -> None:
    """One changed cell is one op in one channel."""
    write_folder(tmp_path, {"id": "import-again"})
    lines_of(wedsync, "import", str(tmp_path))
    async with Client(site.url, "import-again", site.token("amara", "import-again")) as couple:
        before = couple.sequences()
        write_folder(tmp_path, {"id": "import-again"}, tables="id,name,capacity,near_exit,x,y\nt1,Aare,12,yes,0,-4\n")
        assert lines_of(wedsync, "import", str(tmp_path)) == ["imported import-again: 11 items, 0 problems"]
        await couple.until(lambda: couple.confirmed()["tables"]["t1"]["capacity"] == 12)
        assert couple.sequences() == before | {"guests.family": before["guests.family"] + 1}


def test_import_of_an_unreadable_folder_writes_nothing(wedsync: WedSync, site: Site, tmp_path: Path) -> None:
    """Exit code 2, one line on standard error, no wedding."""
    write_folder(tmp_path, {"id": "unreadable", "timeZone": "Mars/Olympus"})
    done = wedsync.run("import", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "no time zone 'Mars/Olympus'" in done.stderr
    assert "Traceback" not in done.stderr
    status, problem = wedsync.request("POST", "/api/collaboration/join/unreadable", site.token("amara", "unreadable"))
    assert (status, problem["code"]) == (404, "wedding_unknown")


def test_import_of_many_guests_outlasts_the_rate_limit(wedsync: WedSync, tmp_path: Path) -> None:
    """A folder with more rows than a connection may send at once is imported whole, and verifies."""
    guests = "id,first_name\n" + "".join(f"g{number},Guest\n" for number in range(900))
    write_folder(tmp_path, {"id": "many-guests"}, guests=guests, timeline=None, budget=None)
    assert lines_of(wedsync, "import", str(tmp_path)) == ["imported many-guests: 905 items, 0 problems"]
    assert lines_of(wedsync, "verify", "many-guests")[-1] == "verified many-guests"


@pytest.mark.shared
def test_lakeside_is_imported_and_verified(wedsync: WedSync, tmp_path: Path) -> None:
    """The sample wedding: 226 items and exactly its five problems, then all three proofs."""
    folder = named(require_shared("data", "lakeside"), tmp_path, "lakeside-verified")
    lines = lines_of(wedsync, "import", str(folder))
    assert [line.partition(":")[0] for line in lines] == [
        "problem outside_contract_hours getting-ready-photos film",
        "problem outside_contract_hours bloom-teardown bloom",
        "problem outside_contract_hours cake-cutting cake",
        "problem outside_contract_hours party tafel",
        "problem overlap hair-makeup getting-ready-photos",
        "imported lakeside-verified",
    ]
    assert lines[-1] == "imported lakeside-verified: 226 items, 5 problems"
    stored, log, client, copies, verdict = lines_of(wedsync, "verify", "lakeside-verified")
    assert stored.startswith("stored: changes of revs 1 to 238 ")
    assert "238 ops decided again" in log
    assert client.startswith("client: a fresh client as import, 10 channels at rev 238 ")
    assert copies.startswith("copies: ")
    assert verdict == "verified lakeside-verified"


def test_the_demo_ends_in_agreement(wedsync: WedSync) -> None:
    """Six people play the shipped wedding, and all their views agree with the actor at the end."""
    lines = lines_of(wedsync, "demo")
    assert lines[-1] == "All six views agree with the actor, digest by digest."
    assert any("catches up with exactly 3 events" in line for line in lines)


def test_verify_of_no_wedding_says_so(wedsync: WedSync) -> None:
    """One line with the remedy."""
    done = wedsync.run("verify", "no-such-wedding")
    assert done.returncode == 1
    assert done.stderr.startswith("wedsync: There is no wedding no-such-wedding: ")


_DAMAGES = {
    "broken block": ("UPDATE changes SET block = '\\xdeadbeef' WHERE id = $1 AND last_rev = $2", "cannot be read"),
    "missing block": ("DELETE FROM changes WHERE id = $1 AND last_rev = $2", "stored changes: "),
}


@pytest.mark.parametrize("damage", _DAMAGES)
async def test_verify_finds_damaged_changes(wedsync: WedSync, database: asyncpg.Connection, tmp_path: Path, damage: str) -> None:
    """Whatever happened to a stored block, `verify` says what differs and leaves with 1."""
    statement, sentence = _DAMAGES[damage]
    wedding = damage.replace(" ", "-")
    lines_of(wedsync, "import", str(write_folder(tmp_path, {"id": wedding})))
    assert lines_of(wedsync, "verify", wedding)[-1] == f"verified {wedding}"
    told = lines_of(wedsync, "consistency", wedding, "--repair")
    assert (told[0], told[-1]) == ("stored: agrees", f"{wedding}: all copies agree")
    last = await database.fetchval("SELECT max(last_rev) FROM changes WHERE id = $1", wedding)
    await database.execute(statement, wedding, last)
    lines = lines_of(wedsync, "verify", wedding, exit_code=1)
    assert any(line.startswith("differs: ") and sentence in line for line in lines), lines
    assert lines[-1].startswith(f"not verified {wedding}: ")
    assert lines_of(wedsync, "consistency", wedding, exit_code=1)[0].startswith("stored: differs")
