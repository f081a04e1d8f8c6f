"""Options that several commands share, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from config.supervision.data_folder import DataFolder

Data = Annotated[
    Path, typer.Option("--data", envvar="WEDSYNC_DATA_DIR", help="The data folder: ports, keys and credentials are found there.")
]
DEFAULT_DATA = Path(".wedsync")


def open_folder(data: Path) -> DataFolder:
    """The data folder that `--data` names."""
    return DataFolder(data)
