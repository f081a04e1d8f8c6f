"""Channels and rights: the table of the design, role by role (design D4)."""

from typing import Any

import pytest

from actors.contract.channels import SECTIONS, SERVICE_RIGHTS, channel_of, is_channel_name, may_read, rights_of
from actors.contract.write_rules import EVERY_RELATION, NO_RELATION, write_right, write_rules_of
from tests.support.memory import kept_bytes_of

_CHANNEL: list[tuple[str, dict[str, Any], str]] = [
    ("wedding", {}, "wedding.everyone"),
    ("timeline", {}, "timeline.team"),
    ("timeline", {"visibility": "everyone"}, "timeline.everyone"),
    ("vendors", {}, "vendors.team"),
    ("tasks", {}, "tasks.team"),
    ("guests", {}, "guests.family"),
    ("tables", {}, "guests.family"),
    ("budget", {}, "budget.core"),
    ("budget", {"payer": "couple"}, "budget.core"),
    ("budget", {"payer": "fatou"}, "budget.payer-fatou"),
    ("documents", {}, "documents.team"),
    ("photos", {"audience": "everyone"}, "photos.everyone"),
    ("messages", {"audience": "family"}, "messages.family"),
    ("people", {}, "people.everyone"),
    ("permissions", {}, "permissions.core"),
    ("inbox", {"person": "noemi"}, "inbox.noemi"),
]


@pytest.mark.parametrize(("collection", "fields", "channel"), _CHANNEL)
def test_d4_an_item_lives_in_one_channel(collection: str, fields: dict[str, Any], channel: str) -> None:
    """The collection and, where it has one, the item's audience name the channel."""
    assert channel_of(collection, fields) == channel


_READS = {
    "timeline.everyone": "couple planner vendor family friend guest",
    "people.everyone": "couple planner vendor family friend guest",
    "timeline.team": "couple planner vendor",
    "tasks.team": "couple planner vendor",
    "guests.family": "couple planner family",
    "messages.family": "couple planner family",
    "timeline.core": "couple planner",
    "budget.core": "couple planner",
    "permissions.core": "couple planner",
    "budget.payer-fatou": "couple planner",
    "inbox.fatou": "",
}


@pytest.mark.parametrize("channel", _READS)
@pytest.mark.parametrize("role", ["couple", "planner", "vendor", "family", "friend", "guest"])
def test_d4_each_role_reads_its_channels(channel: str, role: str) -> None:
    """What somebody of a role reads of channels that are not their own."""
    assert may_read(rights_of(role, "noemi"), channel) is (role in _READS[channel].split())


@pytest.mark.parametrize("role", ["couple", "planner", "vendor", "family", "friend", "guest"])
def test_d4_personal_channels_are_read_by_their_person(role: str) -> None:
    """The own budget rows and the own inbox, and nobody else's with a longer or shorter name."""
    rights = rights_of(role, "noemi")
    assert may_read(rights, "budget.payer-noemi")
    assert may_read(rights, "inbox.noemi")
    assert not may_read(rights, "inbox.noemi2")
    assert not may_read(rights, "inbox.noem")


def test_d4_services_read_all_but_inboxes() -> None:
    """`operator` and `import` read every section, and no inbox."""
    assert all(may_read(SERVICE_RIGHTS, channel) for channel in _READS if not channel.startswith("inbox"))
    assert not may_read(SERVICE_RIGHTS, "inbox.noemi")


@pytest.mark.parametrize("name", ["everyone", "team", "surprise-noemi", "payer-amara", "private-amara"])
def test_d4_an_inbox_is_not_opened_by_the_name_of_its_person(name: str) -> None:
    """Somebody with an id that looks like an audience keeps an inbox of their own."""
    assert not may_read(rights_of("couple", "amara"), f"inbox.{name}")
    assert not may_read(SERVICE_RIGHTS, f"inbox.{name}")
    assert may_read(rights_of("guest", name), f"inbox.{name}")


def test_the_last_pattern_that_matches_decides() -> None:
    """What is taken can be given again, and what is one's own or kept from one comes behind whatever is given."""
    rights = rights_of("vendor", "bloom", ("-tasks.team", "tasks.*", "-tasks.core", "inbox.*", "*.private-*", "*.surprise-*"))
    assert may_read(rights, "tasks.team")
    assert not may_read(rights, "tasks.core")
    assert not may_read(rights, "inbox.amara")
    assert not may_read(rights, "documents.surprise-bloom")


def test_m1_couple_and_planner_keep_what_they_manage() -> None:
    """Whatever is adjusted, they read people and permissions and write them; others never write them."""
    rights = rights_of("planner", "petra", ("-people.everyone", "-permissions.core"))
    assert may_read(rights, "people.everyone")
    assert may_read(rights, "permissions.core")
    for collection, channel in (("people", "people.everyone"), ("permissions", "permissions.core")):
        core = write_rules_of("planner", (f"-{collection}",))
        assert write_right(core, collection, channel, "update", NO_RELATION).allows(["role"])
        other = write_rules_of("vendor", (collection, "*"))
        assert not write_right(other, collection, channel, "update", EVERY_RELATION).allows(["role"])


def test_names_that_no_channel_can_have_are_judged_without_being_kept() -> None:
    """Clients choose what they name, so what is remembered of it would be memory without bound; the answer stays the same."""
    rights = rights_of("planner", "noemi")

    def judge_long_names() -> None:
        for number in range(20):
            assert may_read(rights, f"tasks.surprise-{number}{'x' * 100_000}")
            assert not may_read(rights, f"tasks.{number}{'x' * 100_000}")

    assert kept_bytes_of(judge_long_names) < 100_000


def test_the_longest_channel_that_there_can_be_has_the_form_of_one() -> None:
    """A section that nobody knows yet may be named; no dot, two dots or an endless audience is no channel."""
    for section, audiences in SECTIONS.items():
        for audience in (*audiences, "private-"):
            assert is_channel_name(f"{section}.{audience}{'x' * 64 if audience.endswith('-') else ''}")
    assert is_channel_name("catering.team")
    for wrong in ("", "tasks", "tasks.", ".team", "tasks.team.x", "tasks.*", "Tasks.team", "tasks.team\n", "tasks." + "x" * 80):
        assert not is_channel_name(wrong), wrong
