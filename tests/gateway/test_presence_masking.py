"""Presence as it may be said and as it may be seen (design D9, INV5)."""

from typing import Any

import pytest

from actors.contract.channels import rights_of
from gateway.errors import Refused
from gateway.presence.masking import check_presence, mask

COUPLE = rights_of("couple", "ada")
VENDOR = rights_of("vendor", "florist")
FAMILY = rights_of("family", "mum")
GUEST = rights_of("guest", "gus")


@pytest.mark.parametrize(
    ("section", "rights", "section_is_seen", "details_are_seen"),
    [
        ("timeline.team", VENDOR, True, True),
        ("timeline.core", VENDOR, False, False),
        ("timeline", VENDOR, True, False),
        ("timeline", COUPLE, True, True),
        ("budget", VENDOR, False, False),
        ("budget", COUPLE, True, True),
        ("budget.payer-mum", FAMILY, True, True),
        ("budget", FAMILY, False, False),
        ("tables", FAMILY, True, True),
        ("guests", GUEST, False, False),
        ("inbox", COUPLE, False, False),
        ("inbox.ada", COUPLE, True, True),
        (None, COUPLE, True, True),
        (None, VENDOR, True, False),
    ],
)
def test_inv5_a_place_is_shown_to_its_readers_only(
    section: str | None, rights: tuple[str, ...], section_is_seen: bool, details_are_seen: bool
) -> None:
    """The section and its details reach only who may read it; the rest of a presence reaches everybody."""
    presence: dict[str, Any] = {"status": "busy", "document": "vows", "cursor": 4, "mood": "happy"}
    if section is not None:
        presence["section"] = section
    seen = mask(presence, rights)
    assert (seen.get("section") == section) is (section_is_seen or section is None)
    assert ("document" in seen, "cursor" in seen) == (details_are_seen, details_are_seen)
    assert (seen["status"], seen["mood"]) == ("busy", "happy")


@pytest.mark.parametrize(
    ("presence", "code"),
    [
        ({"status": "sleeping"}, "bad_value"),
        ({"section": "kitchen"}, "bad_value"),
        ({"section": "timeline.*"}, "bad_value"),
        ({"section": ["timeline"]}, "bad_value"),
        ({"status": []}, "bad_value"),
        ({"note": "x" * 5000}, "too_large"),
    ],
)
def test_d9_a_presence_that_could_not_be_masked_or_carried_is_refused(presence: dict[str, Any], code: str) -> None:
    """Form and size are judged at the entrance, with the code of the reason."""
    with pytest.raises(Refused) as refusal:
        check_presence(presence, 4096)
    assert refusal.value.code == code


@pytest.mark.parametrize("section", ["timeline", "tables", "guests.family", "budget.payer-mum", None])
def test_d9_every_section_collection_and_channel_can_be_named(section: str | None) -> None:
    """A person can say that they are in any section, collection or channel, or in none."""
    check_presence({"section": section}, 4096)
