"""The command `wedsync` itself: every failure is one line with the remedy, secrets stay hidden."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from config.cli.failures import UNEXPECTED, report
from config.cli.status import EXIT_NOT_RUNNING
from config.supervision.backup import save_backup
from config.supervision.data_folder import DataFolder
from config.supervision.errors import BackupNotWritten


def wedsync(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with these arguments and additional environment variables."""
    command = [sys.executable, "-m", "config.cli.app", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("up", "--nonsense"), 2, "--nonsense"),
        (("up", "--port", "70000"), 2, "65535"),
        (("nonsense",), 2, "nonsense"),
        (("host", "--data", "/nowhere/at/all"), 1, "wedsync up"),
        (("token", "--wedding", "w1", "--user", "maria", "--data", "/nowhere/at/all"), 1, "wedsync up"),
        (("context", "--data", "/nowhere/at/all"), 1, "wedsync up"),
        (("backup", "/tmp/never-written", "--data", "/nowhere/at/all"), 1, "wedsync up"),
        (("up", "--port", "0", "--data", "/dev/null/folder"), 1, "/dev/null/folder"),
        (("restore", "/nowhere/at/all", "--data", "/tmp/never-made"), 2, "wedsync backup"),
    ],
)
def test_failure_is_one_line(arguments: tuple[str, ...], exit_code: int, words: str) -> None:
    """A wrong option, a missing folder, a missing file: one line that names the remedy, no traceback, nothing on stdout."""
    done = wedsync(*arguments)
    assert (done.returncode, done.stdout) == (exit_code, "")
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


@pytest.mark.parametrize("target", ["", "no/such/folder/wedsync.backup"])
def test_a_backup_that_cannot_be_written_says_where(tmp_path: Path, target: str) -> None:
    """A folder in place of a file, or a file in no folder: refused before anything is copied, with nothing left behind."""
    folder = DataFolder(tmp_path / ".wedsync")
    folder.ensure_keys()
    with pytest.raises(BackupNotWritten, match="name a file in a folder that exists"):
        asyncio.run(save_backup(folder, tmp_path / target, lambda _what, _bytes: None))
    assert [path.name for path in tmp_path.iterdir()] == [".wedsync"]


def test_busy_port_is_one_line(tmp_path: Path) -> None:
    """`up` names the port that somebody else holds, and starts nothing."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = wedsync("up", "--port", str(port), "--data", str(tmp_path / ".wedsync"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"Port {port} on 127.0.0.1 cannot be had (Address already in use)" in done.stderr.splitlines()[-1]
    assert not (tmp_path / ".wedsync" / "postgres").exists()


def test_status_of_nothing(tmp_path: Path) -> None:
    """Where nothing has run, status says so in words, in JSON and by its exit code."""
    done = wedsync("status", "--json", "--data", str(tmp_path))
    assert done.returncode == EXIT_NOT_RUNNING
    assert json.loads(done.stdout)["serving"] is False
    assert "wedsync up" in wedsync("status", "--data", str(tmp_path)).stdout


def test_print_config_masks_secrets() -> None:
    """--print-config shows what is set, never the value of a secret."""
    secret = "a-secret-of-at-least-thirty-two-bytes"
    done = wedsync("--print-config", WEDSYNC_JWT_SECRET=secret, DATABASE_URL=f"postgresql://u:{secret}@127.0.0.1/x")
    assert done.returncode == 0
    assert json.loads(done.stdout)["jwt_secret"]
    assert secret not in done.stdout + done.stderr


def test_bad_setting_is_one_line() -> None:
    """A malformed variable is named on one line."""
    done = wedsync("--print-config", WEDSYNC_PARTITIONS="many")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "WEDSYNC_PARTITIONS" in done.stderr


def test_version_is_on_standard_output() -> None:
    """--version prints one line."""
    done = wedsync("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "wedsync")


def test_unexpected_failure_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A fault of ours is one line too, and says how to see more."""
    assert report(ZeroDivisionError("division\nby zero")) == UNEXPECTED
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "ZeroDivisionError: division by zero" in line
    assert "WEDSYNC_LOG_LEVEL=debug" in line
