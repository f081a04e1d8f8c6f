"""`make soak ARGS="text --cases 20000"`: made-up sessions of people who write one text, and the laws of operational transform.

One case in four is a whole session over the real rules and the real client's part (tests/support/text_clients.py), the others are
two or three random edits of a random text. Pure calculation, no servers, seeded; what is broken is told with its seed.
"""

import random
import time
from collections.abc import Iterator
from typing import Final

from actors.contract.text_form import parts_of
from actors.contract.text_ot import Component, Delta, compose, growth, invert, normal_form, transform
from tests.support.random_texts import ALPHABET
from tests.support.text_clients import Play

_SESSION_EVERY: Final = 4
_TOLD: Final = 20
_VALUES: Final = (True, 1, "red")


def run_cases(cases: int, seed: int) -> int:
    """Run that many cases from a seed; returns how many break a promise, and prints which."""
    began = time.perf_counter()
    offences = list(offences_of(cases, seed))
    for offence in offences[:_TOLD]:
        print(f"BROKEN {offence}")
    print(f"{cases} cases of texts, seed {seed}: {len(offences)} offences, {time.perf_counter() - began:.0f} s")
    return len(offences)


def offences_of(cases: int, seed: int) -> Iterator[str]:
    """Yield a sentence for each case that breaks a promise."""
    for case in range(seed, seed + cases):
        try:
            if case % _SESSION_EVERY == 0:
                Play(case).run()
            else:
                _check_laws(random.Random(case))
        except AssertionError as broken:
            yield f"case {case}: {broken}"


def _check_laws(chance: random.Random) -> None:
    content = _content(chance)
    length = len(parts_of(content)[0])
    one, other = _delta(chance, length), _delta(chance, length)
    here = compose(compose(content, one), transform(other, one, first=False))
    there = compose(compose(content, other), transform(one, other, first=True))
    assert here == there, f"TP1: {content} {one} {other}"
    then = _delta(chance, length + growth(one))
    assert compose(content, compose(one, then)) == compose(compose(content, one), then), f"compose: {content} {one} {then}"
    assert compose(compose(content, one), invert(one, content)) == content, f"invert: {content} {one}"


def _content(chance: random.Random) -> Delta:
    return normal_form([_with_attributes(chance, {"insert": _text(chance)}) for _ in range(chance.randint(0, 3))])


def _delta(chance: random.Random, length: int) -> Delta:
    delta: Delta = []
    while length > 0 and chance.random() < 0.8:
        amount = chance.randint(1, length)
        kind = chance.random()
        if kind < 0.3:
            delta.append(_with_attributes(chance, {"insert": _text(chance)}))
            continue
        length -= amount
        delta.append(_with_attributes(chance, {"retain": amount}) if kind < 0.7 else {"delete": amount})
    return normal_form([*delta, {"insert": _text(chance)}])


def _with_attributes(chance: random.Random, component: Component) -> Component:
    if chance.random() < 0.3:
        may_clear = "retain" in component
        component["attributes"] = {chance.choice(("bold", "color")): chance.choice((*_VALUES, None) if may_clear else _VALUES)}
    return component


def _text(chance: random.Random) -> str:
    return "".join(chance.choice(ALPHABET) for _ in range(chance.randint(0, 6)))
