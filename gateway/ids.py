"""Ids that a gateway gives out: clients `<yyyymmdd>-<random>` and sessions; random, never derived from a person."""

import secrets
from datetime import datetime


def new_client(now: datetime) -> str:
    """Return a client id of the day of `now` (UTC)."""
    return f"{now:%Y%m%d}-{secrets.token_hex(8)}"


def new_connection_id() -> str:
    """Return the id of one connection or one join: 16 hex digits."""
    return secrets.token_hex(8)
