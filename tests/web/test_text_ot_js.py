"""gateway/web/text_ot.js agrees with the Python implementation: on the published vectors and on thousands of random edits."""

import json
import random
import subprocess
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from actors.contract import text_ot
from actors.contract.text_form import parts_of
from gateway.client.text_session import TextSession
from tests.contract.text_vectors import PAGE, vectors
from tests.support.random_texts import contents, deltas
from tests.support.requirements import ROOT, require_program

#: What text_ot.js is asked, and what Python says.
Case = tuple[list[Any], Any]


def ask_javascript(questions: list[list[Any]]) -> list[Any]:
    node = require_program("node", "install Node.js 20 or newer (on Debian: apt-get install nodejs)")
    script = ROOT / "tests" / "web" / "answer_text_ot.mjs"
    asked = json.dumps(questions)
    answered = subprocess.run(
        [node, script], input=asked, capture_output=True, text=True, check=True, timeout=50, encoding="utf-8"
    )
    answers: list[Any] = json.loads(answered.stdout)
    return answers


def cases_of_the_page(page: dict[str, Any]) -> list[Case]:
    cases: list[Case] = [(["apply", case["text"], case["delta"]], case["result"]) for case in page["apply"]]
    cases += [(["compose", case["first"], case["second"]], case["result"]) for case in page["compose"]]
    cases += [(["transform", case["delta"], case["other"], case["first"]], case["result"]) for case in page["transform"]]
    cases += [(["invert", case["delta"], case["content"]], case["result"]) for case in page["invert"]]
    cases += [
        (["transformPosition", case["position"], case["delta"], case["stays"]], case["result"]) for case in page["position"]
    ]
    return cases + [(["normalForm", case["delta"]], case["result"]) for case in page["normal"]]


def test_the_published_vectors_are_what_python_computes() -> None:
    """docs/text-vectors.json is up to date (`make docs` writes it)."""
    assert json.loads(PAGE.read_text(encoding="utf-8")) == vectors()


def test_javascript_holds_the_published_vectors() -> None:
    """A JavaScript client computes every published result, surrogate pairs included."""
    cases = cases_of_the_page(json.loads(PAGE.read_text(encoding="utf-8")))
    assert ask_javascript([question for question, _ in cases]) == [expected for _, expected in cases]


def test_javascript_agrees_on_random_edits() -> None:
    """Whatever the texts and edits, both languages compute the same, down to the form of the delta."""
    cases: list[Case] = []

    @settings(max_examples=300, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        content = data.draw(contents())
        text, runs = parts_of(content)
        one, other = data.draw(deltas(len(text))), data.draw(deltas(len(text)))
        position = data.draw(st.integers(0, len(text)))
        cases.extend(
            [
                (["apply", text, one], text_ot.apply(text, one)),
                (["compose", content, one], text_ot.compose(content, one)),
                (["invert", one, content], text_ot.invert(one, content)),
                (["transform", one, other, True], text_ot.transform(one, other, first=True)),
                (["transform", one, other, False], text_ot.transform(one, other, first=False)),
                (["transformPosition", position, one, True], text_ot.transform_position(position, one, stays=True)),
                (["transformPosition", position, one], text_ot.transform_position(position, one)),
                (["contentOf", text, runs], content),
                (["toCodePoints", text, len(text[:position].encode("utf-16-le")) // 2], position),
                (["toUnits", text, position], len(text[:position].encode("utf-16-le")) // 2),
            ]
        )

    collect()
    answers = ask_javascript([question for question, _ in cases])
    for (question, expected), answer in zip(cases, answers, strict=True):
        assert json.dumps(answer, sort_keys=True) == json.dumps(expected, sort_keys=True), question


def test_javascript_sessions_agree() -> None:
    """Typing, edits of others, answers, undo and the cursor come to the same in both languages, step by step."""
    cases: list[Case] = []
    for seed in range(150):
        chance = random.Random(seed)
        session, steps, shown = TextSession([{"insert": "I take you \U0001f48d"}]), [], []
        confirmed = len(session.text)
        for _ in range(30):
            kind = chance.choice(["edit", "edit", "take", "follow", "confirm", "undo", "redo"])
            step: list[Any] = [kind]
            if kind == "edit":
                place = chance.randint(0, len(session.text))
                step.append([{"retain": place}, {"insert": chance.choice("xyz\U0001f492")}])
            elif kind == "follow":
                step.append([{"retain": chance.randint(1, confirmed)}, {"insert": chance.choice("AB\U0001f469")}])
            if kind == "take":
                session.take()
            elif kind == "confirm":
                if session._in_flight is None:
                    continue
                step.append(session._in_flight)
                session.confirm(step[1])
                confirmed += text_ot.growth(step[1])
            else:
                getattr(session, kind)(*step[1:])
                confirmed += 1 if kind == "follow" else 0
            steps.append(step)
            shown.append([session.text, list(session.selection), session.is_settled])
        cases.append((["playSession", [{"insert": "I take you \U0001f48d"}], steps], shown))
    assert ask_javascript([question for question, _ in cases]) == [expected for _, expected in cases]
