"""Messages: an inbox is read by one person, but every member may put something into it. Called through the table in `rules`."""

from actors.domain import items
from actors.domain.items import Plan, Request


def insert_into_inbox(request: Request) -> Plan:
    """Leave a message in somebody's inbox; that person alone reads it."""
    return items.insert_unasked(request)
