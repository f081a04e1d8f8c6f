"""Answers that the server owes us, each with a deadline: one that does not come means that the connection is no good any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.client.errors import ConnectionClosed

ANSWER_WITHIN_SECONDS: Final = 5.0


class OwedAnswers:
    """`wake` is called when an answer is overdue; `check` then raises."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._overdue = ""

    def __contains__(self, key: str) -> bool:
        return key in self._timers

    def expect(self, key: str) -> None:
        """From now on an answer is owed; a second call does not move the deadline."""
        if key not in self._timers:
            self._timers[key] = asyncio.get_running_loop().call_later(ANSWER_WITHIN_SECONDS, self._note_overdue, key)

    def came(self, key: str) -> None:
        """The answer is here."""
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()

    def check(self) -> None:
        """Raise ConnectionClosed if an answer is overdue."""
        if self._overdue:
            raise ConnectionClosed(1006, f"The server owes an answer for {ANSWER_WITHIN_SECONDS:g} s: {self._overdue}.")

    def clear(self) -> None:
        """Nothing is owed on a connection that has ended."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._overdue = ""

    def _note_overdue(self, key: str) -> None:
        self._overdue = key
        self._wake()
