"""Options that several commands share, so that they read the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path, typer.Option("--data", envvar="WEDSYNC_DATA_DIR", help="The data folder: ports, keys and credentials are found there.")
]
DEFAULT_DATA = Path(".wedsync")
