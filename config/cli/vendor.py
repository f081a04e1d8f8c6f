"""`wedsync vendor ID`: the calendar of a supplier over all weddings, with what overlaps (rule V1).

One line per booking on standard output, in the order of time. What stands here is for the supplier and the operator alone: no
wedding may learn of another one.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from config.cli.options import DEFAULT_DATA, Data, operator_settings
from config.settings import Settings


def command(vendor: Annotated[str, typer.Argument(help="The supplier's account.")], data: Data = DEFAULT_DATA) -> int:
    """Show what a supplier is booked for."""
    calendar = asyncio.run(_calendar(vendor, operator_settings(data)))
    for line in lines_of(calendar):
        typer.echo(line)
    if not calendar:
        typer.echo(f"nothing is booked with {vendor}")
    return 0


async def _calendar(vendor: str, settings: Settings) -> Mapping[str, Mapping[str, Any]]:
    from config.cli.membership import check_id, desk

    check_id(vendor)
    async with desk(settings) as asking:
        return await asking.bookings(vendor)


def lines_of(calendar: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say each booking, and which others take some of its hours."""
    from actors.domain.vendor.bookings import clashes

    bookings = sorted(map(dict, calendar.values()), key=lambda each: (each["start"], each["asked"]))
    lines = []
    for booking in bookings:
        others = ", ".join(sorted(f"{other['wedding']}.{other['item']}" for other in clashes(bookings, booking)))
        line = f"{booking['start']} {booking['end']} {booking['booking']:9} {booking['wedding']}.{booking['item']}"
        lines.append(f"{line} overlaps {others}" if others else line)
    return lines
