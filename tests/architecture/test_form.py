"""Files, functions and tests keep their form, and each checker of form refuses a sample that does not."""

import pytest

from tests.architecture.form_rules import loose_end_violations, opening_violations, promise_violations, size_violations
from tests.architecture.sources import python_of, report, sample
from tests.support.requirements import ROOT

LONG_BODY = "    x = 1\n" * 41
PROMISE = '    """It holds."""\n'


def test_files_and_functions_keep_to_their_size() -> None:
    """Nothing grows past the bound without a written reason."""
    assert report(size_violations(python_of())) == ""


def test_pages_and_scripts_of_the_web_client_keep_to_their_size() -> None:
    """The bound on files holds for JavaScript too."""
    scripts = [path for path in (ROOT / "gateway").rglob("*.js") if len(path.read_text(encoding="utf-8").splitlines()) > 300]

    assert scripts == []


def test_every_module_says_what_lives_in_it() -> None:
    """Each module opens with a docstring."""
    assert report(opening_violations(python_of())) == ""


def test_every_suppression_has_its_reason_and_nothing_is_left_unfinished() -> None:
    """A rule is switched off for one line, by code, with a sentence; no comment promises work."""
    assert report(loose_end_violations(python_of())) == ""


def test_every_test_states_its_promise_and_waits_without_sleeping() -> None:
    """Each test has its sentence, no test sleeps, each skip says why."""
    assert report(promise_violations(python_of("tests"))) == ""


@pytest.mark.parametrize(
    "text",
    [
        '"""Opening."""\n' + "x = 1\n" * 300,
        f"def grown():\n{LONG_BODY}",
        f"async def grown():\n{LONG_BODY}",
        f"# long:\ndef grown():\n{LONG_BODY}",
        f"# long: far away\n\n\ndef grown():\n{LONG_BODY}",
    ],
)
def test_what_is_too_long_is_found(text: str) -> None:
    """A file of 301 lines or a function of 42 is named."""
    assert list(size_violations([sample("store/big.py", text)]))


@pytest.mark.parametrize(
    "text",
    [
        '"""Opening."""\n\n# long: one table, which reads best whole\n' + "x = 1\n" * 300,
        f"# long: one table\ndef grown():\n{LONG_BODY}",
        f"def grown():  # long: one table\n{LONG_BODY}",
        'def small():\n    """First.\n' + "    more\n" * 50 + '    """\n    return 1\n',
    ],
)
def test_a_reason_beside_it_lets_it_pass(text: str) -> None:
    """A written reason, or length that is only documentation, is accepted."""
    assert report(size_violations([sample("store/big.py", text)])) == ""


def test_a_module_without_an_opening_is_found() -> None:
    """A module that says nothing about itself is named."""
    assert list(opening_violations([sample("store/silent.py", "x = 1\n")]))


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa",
        "x = 1  # noqa: S608",
        "x = 1  # type: ignore",
        "x = 1  # type: ignore[arg-type]",
        "x = 1  # TO" + "DO later",
        "# FIX" + "ME",
        "def later(): raise NotImplementedError",
    ],
)
def test_a_bare_suppression_or_unfinished_work_is_found(line: str) -> None:
    """A suppression without code or reason, and a mark of unfinished work, are named."""
    assert list(loose_end_violations([sample("store/loose.py", line)]))


def test_a_suppression_with_its_reason_passes() -> None:
    """Code and sentence together are accepted."""
    text = "x = 1  # noqa: S608  # the table's name comes from the code\ny = 2  # type: ignore[arg-type]  # asyncpg has no types"

    assert report(loose_end_violations([sample("store/loose.py", text)])) == ""


@pytest.mark.parametrize(
    "text",
    [
        "def test_x():\n    assert True\n",
        f"async def test_x():\n{PROMISE}    await asyncio.sleep(0.1)\n",
        f"def test_x():\n{PROMISE}    time.sleep(1)\n",
        f"def test_x():\n{PROMISE}    pytest.skip()\n",
        f"@pytest.mark.skip\ndef test_x():\n{PROMISE}",
        f"@pytest.mark.skipif(True)\ndef test_x():\n{PROMISE}",
        f"@pytest.mark.xfail()\ndef test_x():\n{PROMISE}",
    ],
)
def test_a_careless_test_is_found(text: str) -> None:
    """A test without promise, a sleep, and a skip without reason are named."""
    assert list(promise_violations([sample("tests/store/test_x.py", text)]))


def test_a_careful_test_passes() -> None:
    """Promise, yielding without time, and a skip with its reason are accepted."""
    text = f"@pytest.mark.skipif(True, reason='no Docker')\nasync def test_x():\n{PROMISE}    await asyncio.sleep(0)\n"

    assert report(promise_violations([sample("tests/store/test_x.py", text)])) == ""
