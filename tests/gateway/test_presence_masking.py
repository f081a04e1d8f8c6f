"""Presence as it may be said and as it may be seen (design D9, INV5)."""

from typing import Any

import pytest

from actors.contract.channels import Rights, rights_of
from gateway.errors import Refused
from gateway.presence.fields import checked
from gateway.presence.masking import Sight, mask

COUPLE = rights_of("couple", "ada")
VENDOR = rights_of("vendor", "florist")
FAMILY = rights_of("family", "mum")
GUEST = rights_of("guest", "gus")

NOTHING = Sight(dict)


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
    section: str | None, rights: Rights, section_is_seen: bool, details_are_seen: bool
) -> None:
    """The section and its details reach only who may read it; the rest of a presence reaches everybody."""
    presence: dict[str, Any] = {"status": "busy", "item": "vows", "cursor": 4, "mood": "happy"}
    if section is not None:
        presence["section"] = section
    seen = mask(presence, rights, NOTHING)
    assert (seen.get("section") == section) is (section_is_seen or section is None)
    assert ("item" in seen, "cursor" in seen) == (details_are_seen, details_are_seen)
    assert (seen["status"], seen["mood"]) == ("busy", "happy")


@pytest.mark.parametrize(
    ("presence", "shown"),
    [
        ({"section": "documents.team", "document": "vows"}, {"section", "document", "cursor"}),
        ({"section": "documents.core", "document": "vows"}, set()),
        ({"section": "timeline.team", "document": "vows"}, {"section"}),
        ({"section": "timeline.team", "document": {"id": "vows", "channel": "documents.core"}}, {"section"}),
        (
            {"section": "timeline.team", "document": {"id": "menu", "channel": "documents.team"}},
            {"section", "document", "cursor"},
        ),
        ({"section": "budget.core", "document": {"id": "menu", "channel": "documents.team"}}, {"document"}),
        ({"section": "timeline.team", "task": {"id": "flowers", "channel": "tasks.team"}}, {"section", "task", "cursor"}),
        ({"section": "timeline.team", "task": "flowers"}, {"section"}),
        ({"section": "budget", "task": {"id": "flowers", "channel": "tasks.team"}}, {"task"}),
    ],
)
def test_inv5_a_document_or_task_is_shown_to_its_own_readers(presence: dict[str, Any], shown: set[str]) -> None:
    """What a person has open may stand in another channel than where the person is; where in it is for who reads both."""
    assert mask(presence | {"cursor": 4}, VENDOR, NOTHING).keys() == shown


def test_inv5_details_of_a_bare_section_wait_for_every_channel_of_it() -> None:
    """A channel that one of the couple does not read, such as a surprise, takes the details of its bare section from it."""
    channels = {"documents.team": 1}
    sight = Sight(lambda: channels)
    presence = {"section": "documents", "document": "band", "cursor": 4}
    assert mask(presence, COUPLE, sight) == presence
    channels["documents.surprise-ada"] = 1
    sight.look_around()
    assert mask(presence, COUPLE, sight) == {"section": "documents"}
    assert mask(presence, rights_of("couple", "ben"), sight) == presence
    for reader, is_seen in ((COUPLE, False), (rights_of("couple", "ben"), True), (VENDOR, True), (GUEST, False)):
        assert bool(mask({"section": "documents.surprise-ada", "document": "band"}, reader, sight)) is is_seen


_FROM, _UNTIL = "2027-06-19T12:30:00Z", "2027-06-19T12:30:00.500Z"


@pytest.mark.parametrize(
    ("presence", "names"),
    [
        ({"status": "sleeping"}, "status"),
        ({"status": []}, "status"),
        ({"section": "kitchen"}, "section"),
        ({"section": "timeline.*"}, "section"),
        ({"section": ["timeline"]}, "section"),
        ({"document": 7}, "document"),
        ({"document": "x" * 201}, "document"),
        ({"document": {"id": "vows"}}, "document"),
        ({"document": {"id": "vows", "channel": "secrets.core"}}, "document"),
        ({"task": {"id": 7, "channel": "tasks.team"}}, "task"),
        ({"field": {}}, "field"),
        ({"cursor": True}, "cursor"),
        ({"cursor": [1]}, "cursor"),
        ({"cursor": {"at": {"deeper": {}}}}, "cursor"),
        ({"selection": [1, 2, 3]}, "selection"),
        ({"typing": "yes"}, "typing"),
        ({"availability": {}}, "availability"),
        ({"availability": [{"from": _FROM}]}, "availability"),
        ({"availability": [{"from": _FROM, "until": "tomorrow"}]}, "availability"),
        ({"availability": [{"from": _UNTIL, "until": _FROM}]}, "availability"),
        ({"availability": [{"from": _FROM, "until": _UNTIL, "what": 7}]}, "availability"),
        ({"availability": [{"from": _FROM, "until": _UNTIL, "who": "me"}]}, "availability"),
        ({"availability": [{"from": _FROM, "until": _UNTIL}] * 51}, "availability"),
        ({"currentSection": "budget"}, "section"),
        ({"activeDocument": "vows"}, "document"),
    ],
)
def test_d9_a_field_that_is_known_holds_what_it_may(presence: dict[str, Any], names: str) -> None:
    """What the server knows is judged at the entrance; the message names the field."""
    with pytest.raises(Refused) as refusal:
        checked(presence, 16_384)
    assert refusal.value.code == "bad_value"
    assert f"presence.{names}" in f"{refusal.value.message} {refusal.value.remedy}"


@pytest.mark.parametrize("presence", [{"note": 10**30}, {"cursor": {"at": -(2**63) - 1}}, {"own": [{"words": [2**64]}]}])
def test_inv6_a_number_that_some_readers_could_not_be_told_is_refused(presence: dict[str, Any]) -> None:
    """MessagePack knows no whole number of more than 64 bits; one of 64 passes as it is."""
    with pytest.raises(Refused) as refusal:
        checked(presence, 16_384)
    assert refusal.value.code == "bad_value"
    assert checked({"note": 2**64 - 1}, 16_384) == {"note": 2**64 - 1}


def nested(levels: int) -> Any:
    value: Any = 7
    for level in range(levels):
        value = [value] if level % 2 else {"x": value}
    return value


@pytest.mark.parametrize("levels", [17, 900, 970, 980, 990, 1500])
def test_inv6_a_presence_that_could_not_be_told_from_deeper_in_the_stack_is_refused(levels: int) -> None:
    """What the entrance can just encode, the whole for who joins later could not: every join would fail."""
    with pytest.raises(Refused) as refusal:
        checked({"own": nested(levels)}, 16_384)
    assert refusal.value.code == "bad_value"
    assert checked({"own": nested(16)}, 16_384) == {"own": nested(16)}


def test_inv6_a_nul_that_the_table_does_not_take_is_refused() -> None:
    """In a value or a name, at any depth; the six characters that stand for one in JSON are a text like any other."""
    for presence in ({"page": "a\0"}, {"own": [{"x": "\\\0"}]}, {"own": {"\0": 1}}, {"section": "timeline", "document": "\0"}):
        with pytest.raises(Refused) as refusal:
            checked(presence, 16_384)
        assert refusal.value.code == "bad_value"
    spelled = {"page": "\\u0000", "own": ["\\\\u0000"]}
    assert checked(spelled, 16_384) == spelled


def test_d9_a_presence_that_is_too_large_is_refused() -> None:
    """Own words are bounded by the size of the whole."""
    with pytest.raises(Refused) as refusal:
        checked({"note": "x" * 5000}, 4096)
    assert refusal.value.code == "too_large"


def test_d9_own_words_and_whole_presences_pass() -> None:
    """What a client may say is kept as it is; nulls say nothing, and what the server says is not taken from a client."""
    said = {
        "status": "busy",
        "section": "documents.team",
        "document": "vows",
        "task": {"id": "flowers", "channel": "tasks.team"},
        "cursor": {"line": 3, "column": 7.5},
        "selection": [1, {"line": 2}],
        "typing": True,
        "availability": [{"from": _FROM, "until": _UNTIL, "what": "at the venue"}, {"from": _FROM, "until": _UNTIL}],
        "mood": {"any": ["thing"]},
    }
    servers = {"role": "planner", "lastActivity": _FROM, "devices": 7}
    assert checked(said | servers | {"field": None, "hat": None}, 4096) == said


@pytest.mark.parametrize("section", ["timeline", "tables", "guests.family", "budget.payer-mum", None])
def test_d9_every_section_collection_and_channel_can_be_named(section: str | None) -> None:
    """A person can say that they are in any section, collection or channel, or in none."""
    checked({"section": section}, 4096)
