"""What several commands share: their options, and how they find the running WedSync."""

from pathlib import Path
from typing import Annotated

import typer

from config.settings import Settings
from config.supervision.data_folder import DataFolder
from config.supervision.errors import NotRunning
from config.supervision.roles import role_settings, uses_own_nats
from config.supervision.runtime_state import current_state

Data = Annotated[
    Path, typer.Option("--data", envvar="WEDSYNC_DATA_DIR", help="The data folder: ports, keys and credentials are found there.")
]
DEFAULT_DATA = Path(".wedsync")


def operator_settings(data: Path) -> Settings:
    """The settings of a command that talks to the running WedSync as the operator; raises NotRunning at once."""
    folder = DataFolder(data)
    settings = role_settings(folder, "operator", data_dir=data)
    if uses_own_nats() and current_state(folder)["pid"] is None:
        raise NotRunning(folder=folder.path)
    return settings
