"""NATS subjects: what is built is what is parsed, and an id cannot reach beyond its token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.contract import subjects
from actors.contract.ids import partition_of

_IDS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True)


@given(_IDS, _IDS, st.sampled_from(["w", "v"]))
def test_a_log_subject_comes_back_whole(identifier: str, principal: str, kind: str) -> None:
    """Region, partition, kind, id and author are read back from the subject."""
    subject = subjects.log_subject("r0", kind, identifier, principal)
    assert subjects.parse_log_subject(subject) == ("r0", partition_of(identifier), kind, identifier, principal)


@pytest.mark.parametrize(
    "subject", ["log.r0.44.w.w77", "log.r0.x.w.w77.amara", "fan.r0.44.w.w77.amara", "log.r0.44.w.w77.amara.x", ""]
)
def test_what_is_no_log_subject_is_refused(subject: str) -> None:
    """A subject of another form raises ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011  # that it is refused is the promise, its text is Python's own
        subjects.parse_log_subject(subject)


def test_the_table_of_subjects() -> None:
    """Every subject as the design writes it."""
    assert subjects.log_subject("r0", "w", "w77", "amara") == "log.r0.44.w.w77.amara"
    assert subjects.log_filter("r0", 44) == "log.r0.44.>"
    assert subjects.log_filter("r0") == "log.r0.>"
    assert subjects.log_stream(0) == "LOG_0"
    assert subjects.fan_subject("r0", "w", "w77") == "fan.r0.44.w.w77"
    assert subjects.heads_subject("r0", "*") == "heads.r0.*"
    assert subjects.presence_subject("r0", "w77") == "presence.r0.w77"
    assert subjects.members_subject("r0") == "members.r0"
    assert subjects.call_subject("r0", "w", "w77", "state") == "actors.r0.44.w.w77.state"
    assert subjects.call_filter("r0", 44) == "actors.r0.44.>"
    assert subjects.intake_subject("w77", "bloom") == "wedding.w77.op.bloom"
    assert subjects.outcome_subject("w77", "bloom") == "wedding.w77.outcome.bloom"
    assert subjects.feed_subject("w77", "bloom", "timeline.team") == "wedding.w77.feed.bloom.timeline.team"
    assert subjects.dead_subject("internal") == "wedsync.dead.internal"
