"""core.history"""

import pytest

from core.aliases import switch
from core.audit import OPERATOR, Actor, record
from core.database import write
from core.history import history_of
from core.models import Alias, AuditValue, Person
from core.people import ban
from core.recipients import add_recipient, ask_for_proof, proof_token, verify_recipient
from core.routing import Switch
from tests.support.arrange import later, make_alias, make_domain, make_member, make_recipient


@pytest.fixture
def ada(db, now) -> Person:
    make_domain(now)
    return make_member(now)


@pytest.fixture
def alias(ada, now) -> Alias:
    from core.models import Domain

    return make_alias(ada, Domain.get(), now, recipients=[ada.recipients.get()])


def verbs(alias: Alias) -> list[str]:
    return [change.verb for change in history_of(alias)]


def test_the_newest_change_comes_first_with_who_and_when(ada, alias, now):
    switch(ada.id, alias.id, Switch.OFF_LATER, now)
    with write():
        record(OPERATOR, "alias-held", {"alias": alias.id}, {"why": "x"}, later(now, hours=1))

    last, first = history_of(alias)
    assert (last.verb, last.actor, last.actor_name, last.at) == (
        *("alias-held", "operator", ""),
        later(now, hours=1),
    )
    assert (first.verb, first.actor, first.actor_name) == ("alias-switched", f"person:{ada.id}", "Ada")
    assert first.values == {"alias": "ada@proj.example", "before": "on", "after": "off-later"}


def test_a_proof_belongs_to_the_history_of_each_address_with_it(ada, alias, settings, now):
    other = make_alias(ada, alias.domain, now, "ada-old")
    new = add_recipient(ada.id, alias.id, "new@work.example.net", now)
    verify_recipient(proof_token(new, settings.secret_key), ada.id, settings.secret_key, now)

    assert verbs(alias) == ["recipient-proven", "recipient-added"]
    add_recipient(ada.id, other.id, "new@work.example.net", now)
    assert verbs(other) == ["recipient-added", "recipient-proven"]


def test_other_addresses_changes_are_not_in_it(ada, alias, now):
    other = make_alias(ada, alias.domain, now, "ada-old")
    switch(ada.id, other.id, Switch.OFF_LATER, now)
    with write():
        ask_for_proof(make_recipient(ada, now, "x@work.example.net"), now)

    assert verbs(alias) == []


def test_a_ban_of_the_owner_is_in_it(ada, alias, now):
    ban(OPERATOR, ada, now)

    assert "person-banned" in verbs(alias)


def test_a_change_whose_values_were_erased_is_still_there(ada, alias, now):
    switch(ada.id, alias.id, Switch.OFF_LATER, now)
    AuditValue.delete().execute()

    (change,) = history_of(alias)
    assert (change.verb, change.values) == ("alias-switched", {})


def test_only_the_newest_are_returned(ada, alias, now):
    with write():
        for number in range(8):
            record(Actor("job:x"), f"alias-{number}", {"alias": alias.id}, {}, now)

    assert [change.verb for change in history_of(alias, 3)] == ["alias-7", "alias-6", "alias-5"]
