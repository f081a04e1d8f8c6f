"""The soak finds a timer that stayed silent, and calls nothing silent that was cancelled or armed anew."""

from typing import Any

from bench.soak.checks import twice
from bench.soak.history import Stored
from bench.soak.reminders import silent

TIMER = "tasks.band.remind"


def decided(position: int, **what: Any) -> Stored:
    """One applied decision of the wedding w1."""
    return Stored("w1", position, f"c:{position}", "ana", True, **what)


def test_d6_a_timer_that_did_not_fire_is_named() -> None:
    """Armed, due, and not fired: the line says which one."""
    [offence] = silent([decided(7, timers={TIMER: 999})])
    assert offence == f"silent: w1 {TIMER}, armed at position 7, has not fired"


def test_d6_what_fired_or_was_cancelled_is_not_silent() -> None:
    """Of several armings the last one counts, in the order of the log whatever the order of reading."""
    assert silent([decided(2, fired=TIMER), decided(1, timers={TIMER: 999})]) == []
    assert silent([decided(1, timers={TIMER: 999}), decided(2, timers={TIMER: None})]) == []
    assert silent([decided(1, timers={TIMER: 999}), decided(2, timers={TIMER: 1001}), decided(3, fired=TIMER)]) == []
    assert len(silent([decided(1, fired=TIMER), decided(2, timers={TIMER: 999})])) == 1


def test_d6_a_timer_of_a_later_day_is_not_silent() -> None:
    """An open conflict waits for days, longer than any soak."""
    assert silent([decided(1, timers={"conflicts": 2000})], until_ms=1999) == []
    assert len(silent([decided(1, timers={"conflicts": 2000})], until_ms=2000)) == 1


def test_inv1_a_reminder_may_repeat_the_text_of_its_task_and_no_firing_may_be_repeated() -> None:
    """The text in the inbox is no second application; the same firing decided twice is."""
    mark: dict[str, tuple[str, ...]] = {"s1-a1": ("tasks.team",)}
    firing = Stored("w1", 2, f"timer:{TIMER}:1", "_timer", True, quoted=mark, fired=TIMER)
    assert twice([decided(1, marks=mark), firing]) == []
    assert len(twice([firing, Stored("w1", 3, firing.op, "_timer", True, fired=TIMER)])) == 1
