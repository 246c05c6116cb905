"""core.alias_settings"""

import json

import pytest

from core.alias_settings import LABEL_LENGTH, LabelProblem, set_keeps_tag, set_label, set_order
from core.models import Alias, AuditEntry
from core.ownership import NotYours
from core.routing import Order, Switch
from tests.support.arrange import make_alias, make_domain, make_member


@pytest.fixture
def alias(db, now) -> Alias:
    domain = make_domain(now)
    ada = make_member(now)
    return make_alias(ada, domain, now, recipients=[ada.recipients.get()])


def stored(alias: Alias) -> Alias:
    return Alias.get_by_id(alias.id)


CHANGES = {
    "label": (lambda alias, now: set_label(alias.person_id, alias.id, "Lists", now), "", "Lists"),
    "delivery_order": (
        lambda alias, now: set_order(alias.person_id, alias.id, Order.FIRST, now),
        "all",
        "first",
    ),
    "keeps_tag": (lambda alias, now: set_keeps_tag(alias.person_id, alias.id, True, now), False, True),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_choice_is_kept_with_an_entry_and_a_second_time_changes_nothing(alias, now, name):
    change, before, after = CHANGES[name]
    change(alias, now)

    assert getattr(stored(alias), name) == after
    entry = AuditEntry.select().order_by(AuditEntry.id.desc()).get()
    assert entry.verb == f"alias-{name.replace('_', '-')}-set"
    assert entry.actor == f"person:{alias.person_id}"
    values = json.loads(entry.auditvalue_set.get().values)
    assert (values["before"], values["after"]) == (before, after)
    entries = AuditEntry.select().count()
    change(alias, now)
    assert AuditEntry.select().count() == entries


@pytest.mark.parametrize("name", CHANGES)
def test_nobody_else_chooses_and_not_for_one_given_up(alias, now, name):
    grace = make_member(now, "grace", created="2010-01-01")
    Alias.update(person=grace).execute()
    stranger = CHANGES[name][0]
    with pytest.raises(NotYours):
        stranger(alias, now)  # its owner of before
    Alias.update(person=alias.person_id, switch=Switch.GIVEN_UP).execute()
    with pytest.raises(NotYours):
        stranger(alias, now)


@pytest.mark.parametrize(
    ("typed", "label"),
    [
        ("  For  lists ", "For lists"),
        ("a\nb\x00c\u202ed", "a b c d"),
        ("", ""),
        ("鈴木", "鈴木"),
        ("x" * 100,) * 2,
    ],
)
def test_a_label_is_one_line_of_what_can_be_seen(alias, now, typed, label):
    assert set_label(alias.person_id, alias.id, typed, now).label == label


def test_a_label_that_is_too_long_is_refused(alias, now):
    with pytest.raises(LabelProblem, match="100"):
        set_label(alias.person_id, alias.id, "x" * (LABEL_LENGTH + 1), now)

    assert stored(alias).label == ""
