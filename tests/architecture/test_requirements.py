"""A missing requirement is a skip on a developer's machine and a failure where it must not be missed."""

from pathlib import Path

import pytest

from tests.support import requirements


def test_a_missing_program_skips_here_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test without its tool names the remedy, and CI does not go green without it."""
    monkeypatch.setenv("WEDSYNC_CI", "0")
    with pytest.raises(pytest.skip.Exception, match="install it so"):
        requirements.require_program("no-such-program", "install it so")

    monkeypatch.setenv("WEDSYNC_CI", "1")
    with pytest.raises(pytest.fail.Exception, match="install it so"):
        requirements.require_program("no-such-program", "install it so")


def test_sample_data_skips_only_where_there_is_none_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where ../shared lies, or is required, a test that cannot read it fails."""
    monkeypatch.delenv("WEDSYNC_REQUIRE_SHARED", raising=False)
    monkeypatch.setattr(requirements, "SHARED", tmp_path / "nowhere")
    with pytest.raises(pytest.skip.Exception):
        requirements.require_shared("data", "lakeside")

    monkeypatch.setenv("WEDSYNC_REQUIRE_SHARED", "1")
    with pytest.raises(pytest.fail.Exception):
        requirements.require_shared("data", "lakeside")

    monkeypatch.delenv("WEDSYNC_REQUIRE_SHARED")
    monkeypatch.setattr(requirements, "SHARED", tmp_path)
    with pytest.raises(pytest.fail.Exception):
        requirements.require_shared("data", "lakeside")

    (tmp_path / "data").mkdir()
    assert requirements.require_shared("data") == tmp_path / "data"
