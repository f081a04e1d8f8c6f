"""Waiting for a condition with a deadline: the only place of the tests where time passes.

A test never asserts how long something took; it says what must become true, and fails with a sentence when it does not.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar, overload

Seen = TypeVar("Seen")

_PAUSE_SECONDS = 0.02


@overload
async def eventually(look: Callable[[], Awaitable[Seen]], what: str = ..., *, within_seconds: float = ...) -> Seen: ...
@overload
async def eventually(look: Callable[[], Seen], what: str = ..., *, within_seconds: float = ...) -> Seen: ...
async def eventually(
    look: Callable[[], Seen | Awaitable[Seen]], what: str = "the condition holds", *, within_seconds: float = 30.0
) -> Seen:
    """Look again and again until the result is true, and return it; an AssertionError names `what` and what was seen last."""
    deadline = time.monotonic() + within_seconds
    while True:
        looked = look()
        seen: Seen = await looked if isawaitable(looked) else looked
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within_seconds:g} s in vain until {what}; last seen: {seen!r}")
        await asyncio.sleep(_PAUSE_SECONDS)


def eventually_blocking(look: Callable[[], Seen], what: str = "the condition holds", *, within_seconds: float = 30.0) -> Seen:
    """Do the same where no event loop runs, as when processes start and stop."""
    deadline = time.monotonic() + within_seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within_seconds:g} s in vain until {what}; last seen: {seen!r}")
        time.sleep(_PAUSE_SECONDS)
