"""How long a decision about a text may take is bounded, whatever was written and by whom (INV6)."""

from actors.contract.decisions import Decision
from actors.contract.text_ot import Delta
from tests.support.writing import edit_text, seen, vows


def code(decision: Decision) -> str | None:
    return None if decision.refusal is None else decision.refusal.code


def test_a_large_edit_far_behind_is_refused() -> None:
    """How long a decision may take is bounded: many pieces are not moved over many edits."""
    fold = vows("a" * 1_000)
    base = seen(fold)
    for _ in range(30):
        edit_text(fold, "amara", [{"insert": "a"}], seen(fold))
    pieces: Delta = [piece for _ in range(200) for piece in ({"retain": 1}, {"insert": "b"})]  # type: ignore[misc]  # one of each
    assert code(edit_text(fold, "petra", pieces, base)) == "base_too_old"
    assert code(edit_text(fold, "petra", pieces, seen(fold))) is None


def test_inv6_an_edit_that_grows_while_it_is_moved_is_refused() -> None:
    """One deletion of everything, over many small insertions all over it: each splits it once more. Far from them it is moved."""
    fold = vows("a" * 1_000)
    base = seen(fold)
    for number in range(100):
        edit_text(fold, "amara", [{"retain": 9 * number + 1}, {"insert": "b"}], seen(fold))
    assert code(edit_text(fold, "petra", [{"delete": 1_000}], base)) == "base_too_old"
    assert code(edit_text(fold, "petra", [{"retain": 990}, {"delete": 10}], base)) is None
