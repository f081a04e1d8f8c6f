"""docs/permissions.md is what the code decides."""

from tests.architecture.permission_matrix import PAGE, matrix


def test_the_page_of_permissions_is_made_from_the_code() -> None:
    """`make docs` would change nothing."""
    assert PAGE.read_text(encoding="utf-8") == matrix(), "run `make docs` and commit docs/permissions.md"
