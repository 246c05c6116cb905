"""What the owner of an alias chooses beside its recipients: a label, the order, sub-addresses."""

from datetime import datetime
from typing import Any

from core.audit import Actor, record
from core.database import write
from core.models import Alias
from core.ownership import lock_person, own_alias
from core.routing import Order
from core.translation import N_, ToldError

LABEL_LENGTH = 100


class LabelProblem(ToldError):
    """The text cannot be a label; the message says why, for the person who typed it."""


def set_label(person_id: int, alias_id: int, text: str, now: datetime) -> Alias:
    """Give one's own alias a label, or none. text: as typed.

    Raises LabelProblem when it is too long and NotYours when the alias is not the person's.
    """
    label = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if len(label) > LABEL_LENGTH:
        raise LabelProblem(N_("A label has at most %(most)s characters."), most=LABEL_LENGTH)
    return _set(person_id, alias_id, "label", label, now)


def set_order(person_id: int, alias_id: int, order: Order, now: datetime) -> Alias:
    """Say whether mail goes to all recipients or to the first that takes it. Raises NotYours."""
    return _set(person_id, alias_id, "delivery_order", order, now)


def set_keeps_tag(person_id: int, alias_id: int, keeps: bool, now: datetime) -> Alias:
    """Say whether `ada+list@` goes to `recipient+list@` or to the plain recipient. Raises NotYours."""
    return _set(person_id, alias_id, "keeps_tag", keeps, now)


def _set(person_id: int, alias_id: int, name: str, value: Any, now: datetime) -> Alias:
    with write():
        person = lock_person(person_id)
        alias = own_alias(person, alias_id)
        before = getattr(alias, name)
        if before != value:
            setattr(alias, name, value)
            alias.save()
            values = {"alias": alias.text, "before": before, "after": value}
            verb = f"alias-{name.replace('_', '-')}-set"
            record(Actor.person(person.id), verb, {"alias": alias.id, "person": person.id}, values, now)
        return alias
