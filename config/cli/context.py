"""`wedsync context`: lets an operator use the `nats` command line, with the right account and inbox, by one name.

Writes the context file `wedsync` that `nats --context wedsync` reads; it holds the operator's password, mode 0600.
"""

import json
import os
from pathlib import Path

import typer

from config.cli.options import DEFAULT_DATA, Data
from config.settings import Settings
from config.supervision.data_folder import DataFolder
from config.supervision.nats_permissions import inbox_prefix
from config.supervision.roles import role_settings

_CONTEXT = "wedsync"
_USER = "operator"
_HOW_TO = """\
Context `wedsync` is installed in {path}. Try:
  nats --context wedsync micro ls                    every gateway and host
  nats --context wedsync stream ls                   the streams, with their descriptions
  nats --context wedsync stream get LOG_0 1          the first op of the log; another number for a later one
  nats --context wedsync sub 'wedding.*.outcome.>'   what is refused, live
  nats --context wedsync sub 'wedsync.dead.>'        what could not be read or decided
  nats --context wedsync request wedding.W.op.operator '{{"type":"timeline_update",...}}'
`nats context select wedsync` makes it the default."""


def command(data: Data = DEFAULT_DATA) -> int:
    """Install a context for the `nats` command line and say how to use it."""
    path = install_context(role_settings(DataFolder(data), _USER, data_dir=data))
    typer.echo(_HOW_TO.format(path=path))
    return 0


def install_context(settings: Settings) -> Path:
    """Write the context file; gives its path."""
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "nats" / "context"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{_CONTEXT}.json"
    path.touch(mode=0o600)
    path.chmod(0o600)
    content = {
        "description": f"WedSync in {settings.data_dir.absolute()}, as {_USER}",
        "url": settings.nats_url.get_secret_value(),
        "user": settings.nats_user,
        "password": settings.nats_password.get_secret_value(),
        "inbox_prefix": inbox_prefix(_USER),
    }
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return path
