"""What an item of `permissions` says: for a role (id `role-<role>`) or a person (the person's id), what is given and taken.

`read` and `hidden` list places, `<section>` or `<section>.<audience>`; `write` and `locked` list write rules (see write_rules),
`locked` without `-`. The audiences `surprise` and `payer` stand for all surprises and all contributions. Inboxes, private notes
and who may see permissions are in no such list. Pure form and translation; who may say so is decided in the fold.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from actors.contract.channels import PAYER, ROLES, SECTIONS, SURPRISE, Rights, section_of
from actors.contract.collections import COLLECTIONS
from actors.contract.errors import BadOp
from actors.contract.ops import ACTIONS
from actors.contract.write_rules import CORE_COLLECTIONS, NAMED, OWN, WriteRules, parse_rule

ROLE_PREFIX: Final = "role-"
READ_FIELDS: Final = ("read", "hidden")
WRITE_FIELDS: Final = ("write", "locked")

_WORDS: Final = {SURPRISE: "surprise", PAYER: "payer"}
_SHARED: Final = {
    section: {_WORDS.get(audience, audience): audience for audience in audiences}
    for section, audiences in SECTIONS.items()
    if section not in ("permissions", "inbox")
}


def role_of_id(identifier: str) -> str | None:
    """Return the role that an item of `permissions` is about; None for one that is about a person."""
    role = identifier.removeprefix(ROLE_PREFIX)
    return role if role != identifier and role in ROLES else None


@lru_cache(maxsize=4096)
def patterns_of(place: str) -> Rights:
    """Return the channels that a place of `read` or `hidden` means, as patterns; none for an unknown place."""
    section, dot, word = place.partition(".")
    known = _SHARED.get(section, {})
    words = [word] if dot else list(known)
    return tuple(f"{section}.{known[each]}" + ("*" if known[each] in _WORDS else "") for each in words if each in known)


def read_adjustments(fields: Mapping[str, Any]) -> Rights:
    """Return what an item of `permissions` adds to the read rights and takes from them; what it hides comes last."""
    return _read_adjustments(tuple(fields.get("read", ())), tuple(fields.get("hidden", ())))


@lru_cache(maxsize=4096)
def _read_adjustments(read: tuple[str, ...], hidden: tuple[str, ...]) -> Rights:
    given = [pattern for place in read for pattern in patterns_of(place)]
    taken = [f"-{pattern}" for place in hidden for pattern in patterns_of(place)]
    return (*given, *taken)


def write_adjustments(fields: Mapping[str, Any]) -> WriteRules:
    """Return what an item of `permissions` adds to the write rules; what it locks comes last."""
    return _write_adjustments(tuple(fields.get("write", ())), tuple(fields.get("locked", ())))


@lru_cache(maxsize=4096)
def _write_adjustments(write: tuple[str, ...], locked: tuple[str, ...]) -> WriteRules:
    return (*map(_as_pattern, write), *(f"-{_as_pattern(rule)}" for rule in locked))


def _as_pattern(text: str) -> str:
    """Return a rule with its word for an audience of many persons as the pattern that matches them."""
    audience = parse_rule(text).audience
    return text.replace(f".{audience}", f".{audience}-*", 1) if f"{audience}-" in _WORDS else text


def check_permissions(fields: Mapping[str, Any]) -> None:
    """Judge the words of an item's lists; raises BadOp `bad_value` that names the unknown one and what is known."""
    for field in READ_FIELDS:
        for place in fields.get(field) or ():
            _check_place(field, place)
    for field in WRITE_FIELDS:
        for rule in fields.get(field) or ():
            _check_rule(field, rule)


def _check_place(field: str, place: str) -> None:
    section, dot, word = place.partition(".")
    if section not in _SHARED:
        raise _unknown(field, place, "section", section, _SHARED)
    if dot and word not in _SHARED[section]:
        raise _unknown(field, place, f"audience of {section}", word, _SHARED[section])


def _check_rule(field: str, text: str) -> None:
    rule = parse_rule(text)
    if text.startswith("-"):
        raise BadOp("bad_value", f"permissions.{field}: {text!r} begins with '-'.", "Put what nobody shall write into `locked`.")
    collection = COLLECTIONS.get(rule.collection)
    if rule.collection and collection is None:
        raise _unknown(field, text, "collection", rule.collection, COLLECTIONS)
    if field == "write" and rule.collection in ("", *CORE_COLLECTIONS):
        message = f"permissions.write: {text!r} would give people and permissions, which couple and planner alone write."
        raise BadOp("bad_value", message, "Name the collections one by one, or make the person planner.")
    if rule.audience:
        _check_audience(field, text, rule.collection, rule.audience)
    if rule.action not in ("", *ACTIONS):
        raise _unknown(field, text, "action", rule.action, ACTIONS)
    if rule.field and (collection is None or rule.field not in collection.fields):
        known = () if collection is None else collection.fields
        raise _unknown(field, text, f"field of {rule.collection or 'every collection'}", rule.field, known)
    if rule.relation not in ("", *((OWN, NAMED) if field == "write" else ())):
        raise _unknown(field, text, "relation", rule.relation, (OWN, NAMED) if field == "write" else ())
    if text != _written(text):
        raise BadOp("bad_value", f"permissions.{field}: {text!r} is not written as a rule.", f"Write {_written(text)!r}.")


def _check_audience(field: str, text: str, collection: str, audience: str) -> None:
    section = section_of(collection)
    known = {_WORDS.get(each, each) for each in SECTIONS.get(section, ())}
    if audience not in known:
        raise _unknown(field, text, f"audience of {collection}", audience, known)


def _written(text: str) -> str:
    """Return the one way to write a rule."""
    rule = parse_rule(text)
    where = (rule.collection or "*") + (f".{rule.audience}" if rule.audience else "")
    action = rule.action or ("*" if rule.field else "")
    what = (f":{action}" if action else "") + (f":{rule.field}" if rule.field else "")
    return where + what + (f"@{rule.relation}" if rule.relation else "")


def _unknown(field: str, text: str, kind: str, word: str, known: Any) -> BadOp:
    names = ", ".join(sorted(known))
    return BadOp("bad_value", f"permissions.{field}: {text[:80]!r} names no known {kind} ({word[:80]!r}).", f"Known: {names}.")
