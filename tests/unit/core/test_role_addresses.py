"""core.role_addresses"""

import pytest

from core.account import erase
from core.addresses import parse_address
from core.alias_admin import end
from core.alias_table import open_alias_table
from core.audit import OPERATOR, Actor, first_fault
from core.database import write
from core.facts import Answer
from core.letters import write_letter
from core.models import Alias, AliasOwner, AuditEntry, Domain, Notice, Person
from core.overview import overview_of
from core.ownership import NotYours
from core.people import ban, unban
from core.recipients import RecipientProblem
from core.role_addresses import (
    RoleAddressProblem,
    add_owner,
    add_recipient,
    make,
    own_recipients,
    owners_of,
    remove_owner,
    remove_recipient,
    role_addresses,
)
from core.routing import Fate, route
from core.standing import store_memberships
from core.upkeep import keep_all_up
from tests.support.arrange import later, make_alias, make_domain, make_member, make_person, make_recipient


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def ada(domain, now) -> Person:
    return make_member(now)


@pytest.fixture
def grace(domain, now) -> Person:
    return make_member(now, "grace")


@pytest.fixture
def team(domain, ada, grace, now) -> Alias:
    return make(OPERATOR, domain, " Team ", [ada.id, grace.id], now)


@pytest.fixture
def goes_to(settings, now):
    """Where mail for team@proj.example goes, as the relay sees it."""

    def ask(moment=now, name="team"):
        address = parse_address(f"{name}@proj.example")
        found = route(open_alias_table(settings.database_url), address, settings.ops_address, moment)
        return sorted(found.recipients) if found.fate is Fate.DELIVER else found.fate

    return ask


def told(kind: str) -> list[str]:
    rows = Notice.select().where(Notice.kind == kind)
    return sorted(row.recipient.address if row.recipient_id else "ops" for row in rows)


def leave_team(person: Person, now) -> None:
    """Have the directory say twice that somebody is in the team no more."""
    for moment in (now, later(now, hours=7)):
        with write():
            store_memberships(person, {"proj-members": Answer.NO}, moment)


BOTH = ["ada@home.example.net", "grace@home.example.net"]


def test_each_owner_gets_its_mail(team, goes_to):
    assert goes_to() == BOTH
    assert told("role-address-owner") == BOTH
    assert team.text == "team@proj.example"
    verbs = [entry.verb for entry in AuditEntry.select().order_by(AuditEntry.id)]
    assert verbs[-3:] == ["role-address-made", "role-owner-added", "role-owner-added"]
    assert first_fault() is None


def test_a_reserved_name_may_be_made_and_then_goes_to_its_owners(domain, ada, goes_to, now):
    make(OPERATOR, domain, "security", [ada.id], now)

    assert goes_to(name="security") == ["ada@home.example.net"]


@pytest.mark.parametrize("text", ["", "a b", "a+b", "ä"])
def test_what_is_no_name_is_refused(domain, ada, now, text):
    with pytest.raises(RoleAddressProblem):
        make(OPERATOR, domain, text, [ada.id], now)


def test_nobody_and_the_unentitled_own_nothing(domain, ada, now):
    outsider = make_person(now, "oto")
    for owners in ([], [outsider.id], [ada.id, outsider.id]):
        with pytest.raises(RoleAddressProblem):
            make(OPERATOR, domain, "team", owners, now)
    with pytest.raises(RoleAddressProblem, match="themselves"):
        make(Actor.person(ada.id), domain, "team", [ada.id], now)

    assert not Alias.select().exists()
    assert not AliasOwner.select().exists()


def test_a_name_that_is_somebodys_is_not_made(domain, ada, now):
    make_alias(ada, domain, now, "ada")
    with pytest.raises(RoleAddressProblem, match="there already"):
        make(OPERATOR, domain, "ada", [ada.id], now)


def test_an_owner_is_added_and_taken_out(team, domain, goes_to, now):
    hedy = make_member(now, "hedy")
    assert add_owner(OPERATOR, team.id, hedy.id, now)
    assert not add_owner(OPERATOR, team.id, hedy.id, now)
    assert goes_to() == [*BOTH, "hedy@home.example.net"]

    assert remove_owner(OPERATOR, team.id, hedy.id, now)
    assert not remove_owner(OPERATOR, team.id, hedy.id, now)
    assert goes_to() == BOTH
    assert told("role-address-left") == ["hedy@home.example.net"]
    with pytest.raises(NotYours):
        add_owner(OPERATOR, make_alias(hedy, domain, now, "hedy").id, hedy.id, now)


def test_each_owner_sets_their_own_recipients(team, ada, grace, goes_to, now):
    make_recipient(ada, now, "second@home.example.net")
    new = add_recipient(ada.id, team.id, "second@home.example.net", now)
    unproven = add_recipient(ada.id, team.id, "unproven@home.example.net", now)
    assert goes_to() == [*BOTH, "second@home.example.net"]
    assert [one.address for one in own_recipients(grace, team)] == ["grace@home.example.net"]

    theirs = own_recipients(grace, team)[0]
    assert not remove_recipient(ada.id, team.id, theirs.id, now)
    assert remove_recipient(ada.id, team.id, new.id, now)
    assert not remove_recipient(ada.id, team.id, new.id, now)
    assert remove_recipient(ada.id, team.id, unproven.id, now)
    assert goes_to() == BOTH
    with pytest.raises(RecipientProblem):
        add_recipient(ada.id, team.id, "ada@home.example.net", now)
    with pytest.raises(RecipientProblem):
        add_recipient(ada.id, team.id, "ada@proj.example", now)


def test_nobody_else_sets_any(team, domain, now):
    hedy = make_member(now, "hedy")
    with pytest.raises(NotYours):
        add_recipient(hedy.id, team.id, "hedy@home.example.net", now)
    assert overview_of(hedy, now).role_addresses == []


def test_no_owner_is_told_of_the_mailboxes_of_another(team, ada, settings, now):
    from core.recipients import proof_token, verify_recipient

    new = add_recipient(ada.id, team.id, "new@home.example.net", now)
    verify_recipient(proof_token(new, settings.secret_key), ada.id, settings.secret_key, now)

    assert told("recipients-changed") == []


def test_a_banned_owner_gets_no_mail_until_that_is_lifted(team, ada, goes_to, now):
    ban(OPERATOR, ada, now)
    assert goes_to() == ["grace@home.example.net"]
    assert [view.reached for view in owners_of(team)] == [False, True]
    unban(OPERATOR, ada, now)

    assert goes_to() == BOTH


def test_whoever_leaves_the_team_is_taken_out_after_the_grace_time(team, ada, goes_to, settings, now):
    leave_team(ada, now)
    began = later(now, hours=8)
    for days in range(95):
        keep_all_up(later(began, days=days))
        if days < 90:
            assert goes_to(later(began, days=days)) == BOTH
    assert goes_to(later(began, days=95)) == ["grace@home.example.net"]

    assert told("role-address-ends") == ["ada@home.example.net"] * 3, "at the start, 14 and 2 days before"
    assert told("role-address-left") == ["ada@home.example.net"]
    assert [view.owner.person_id for view in owners_of(team)] != [ada.id]
    assert first_fault() is None


def test_the_mail_of_an_end_says_when_and_is_not_sent_when_it_is_off(team, ada, settings, now):
    leave_team(ada, now)
    keep_all_up(later(now, hours=8))
    notice = Notice.get(Notice.kind == "role-address-ends")
    letter = write_letter(notice, settings, later(now, hours=8))
    assert letter is not None
    assert b"2027-02-24" in letter.message

    with write():
        store_memberships(ada, {"proj-members": Answer.YES}, later(now, hours=9))
    keep_all_up(later(now, hours=9))
    assert AliasOwner.get(AliasOwner.person == ada).grace_until is None
    assert write_letter(notice, settings, later(now, hours=9)) is None


def test_whoever_is_erased_leaves_it_to_the_others(team, ada, goes_to, settings, now):
    erase(ada.id, settings.record_secret, now)

    assert goes_to() == ["grace@home.example.net"]


def test_the_admins_are_told_when_the_last_one_is_gone(team, ada, grace, goes_to, now):
    for person in (ada, grace):
        remove_owner(OPERATOR, team.id, person.id, now)

    assert told("role-address-empty") == ["ops"]
    assert goes_to() is Fate.NO_RECIPIENT_YET
    assert goes_to(later(now, days=3)) is Fate.NO_RECIPIENT


def test_an_ended_one_is_nobodys_any_more(team, ada, goes_to, now):
    end(OPERATOR, team.id, now)

    assert goes_to() is Fate.ENDED
    assert overview_of(ada, now).role_addresses == []
    with pytest.raises(NotYours):
        add_recipient(ada.id, team.id, "x@home.example.net", now)


def test_the_list_shows_those_of_ones_domains(team, domain, ada, now):
    other = make_domain(now, "other.example")
    make_alias(ada, domain, now, "ada")

    assert [row.text for row in role_addresses(frozenset([domain.id]), None).rows] == ["team@proj.example"]
    assert role_addresses(frozenset([other.id]), None).rows == []
    assert role_addresses(None, team.id).rows == []
