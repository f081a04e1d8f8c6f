"""What stands next to what, found without looking at every item."""

from hypothesis import given
from hypothesis import strategies as st

from actors.domain.order_index import next_after

_KEY = st.sampled_from(["Zz", "a0", "a0V", "a1", "b00"])


@given(st.lists(_KEY).map(sorted), st.none() | _KEY, st.none() | _KEY)
def test_the_next_key_is_the_least_of_the_others_that_is_greater(keys: list[str], key: str | None, without: str | None) -> None:
    """The next key is that which looking at all of them finds, the item's own aside."""
    others = list(keys)
    if without in others:
        others.remove(without)
    assert next_after(keys, key, without) == min((other for other in others if key is None or other > key), default=None)
