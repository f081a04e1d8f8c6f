"""`wedsync rules` as an operator types it (design D1)."""

from tests.support.wedsync_process import WedSync


def test_d1_rules_are_shown_and_never_go_back(wedsync: WedSync) -> None:
    """A new installation has the newest version in every partition; activating it again is harmless, an older one is refused."""
    shown = wedsync.output_of("rules").splitlines()
    assert shown[:2] == ["known here: 1, 2, 3", "host-1 knows up to 3"]
    assert shown[2:] == [f"partition {number}: version 3 from position 0" for number in range(64)]
    assert wedsync.output_of("rules", "activate", "3").splitlines() == shown[2:]
    back = wedsync.run("rules", "activate", "1")
    assert back.returncode == 1
    assert "no version goes back" in back.stderr
