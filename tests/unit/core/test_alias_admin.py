"""core.alias_admin"""

import json

import pytest

from core.addresses import parse_address
from core.alias_admin import AliasProblem, end, hold, lift, move, release
from core.alias_table import open_alias_table
from core.aliases import claim
from core.audit import OPERATOR, Actor, first_fault
from core.database import write
from core.erased import owner_hashes
from core.history import history_of
from core.models import Alias, AliasOwner, AuditEntry, AuditValue, Notice, Person
from core.ownership import NotYours, recipients_of
from core.people import ban, unban
from core.roles import Role
from core.routing import Entitlement, Fate, Hold, Switch, route
from core.upkeep import keep_all_up
from tests.support.arrange import later, make_admin, make_alias, make_domain, make_member, make_person
from tests.support.threads import at_once


@pytest.fixture
def domain(db, now):
    return make_domain(now)


@pytest.fixture
def ada(domain, now) -> Person:
    return make_member(now)


@pytest.fixture
def alias(ada, domain, settings, now) -> Alias:
    return claim(ada.id, domain, None, settings.record_secret, now)


@pytest.fixture
def fate(domain, settings, now):
    """What mail for ada@proj.example gets, and where it goes, as the relay sees it."""

    def ask():
        table = open_alias_table(settings.database_url)
        found = route(table, parse_address("ada@proj.example"), settings.ops_address, now)
        return found.fate, list(found.recipients)

    return ask


def verbs() -> list[str]:
    return [entry.verb for entry in AuditEntry.select().order_by(AuditEntry.id)]


def told(kind: str) -> list[str]:
    rows = Notice.select().where(Notice.kind == kind)
    return sorted(row.recipient.address for row in rows if row.recipient_id is not None)


def test_an_address_is_suspended_and_lifted(alias, fate, now):
    assert hold(OPERATOR, alias.id, now)
    assert fate() == (Fate.HELD, [])
    assert not hold(OPERATOR, alias.id, now)
    keep_all_up(later(now, days=1))
    assert fate() == (Fate.HELD, []), "time does not lift it"

    assert lift(OPERATOR, alias.id, now)
    assert fate() == (Fate.DELIVER, ["ada@home.example.net"])
    assert not lift(OPERATOR, alias.id, now)
    assert verbs()[-2:] == ["alias-held", "alias-released"]
    assert told("address-held") == told("address-lifted") == ["ada@home.example.net"]
    assert first_fault() is None


def test_a_lift_leaves_a_ban_in_place(alias, ada, fate, now):
    hold(OPERATOR, alias.id, now)
    ban(OPERATOR, ada, now)
    lift(OPERATOR, alias.id, now)

    assert fate() == (Fate.HELD, [])
    assert Alias.get_by_id(alias.id).hold == Hold.BAN
    assert told("address-lifted") == []
    unban(OPERATOR, ada, now)
    assert fate()[0] is Fate.DELIVER


def test_an_ended_address_is_claimed_again_by_its_owner_alone(alias, ada, domain, fate, settings, now):
    assert end(OPERATOR, alias.id, now)
    assert not end(OPERATOR, alias.id, now)
    assert fate() == (Fate.ENDED, [])
    assert told("address-ended") == ["ada@home.example.net"]

    assert claim(ada.id, domain, None, settings.record_secret, now).id == alias.id
    assert fate()[0] is Fate.DELIVER


def test_a_name_is_released_when_it_is_over(alias, ada, domain, fate, settings, now):
    with pytest.raises(AliasProblem, match="in use"):
        release(OPERATOR, alias.id, now)
    end(OPERATOR, alias.id, now)
    hold(OPERATOR, alias.id, now)
    with pytest.raises(AliasProblem, match="suspended"):
        release(OPERATOR, alias.id, now)
    lift(OPERATOR, alias.id, now)
    release(OPERATOR, alias.id, now)

    assert fate() == (Fate.UNKNOWN_ADDRESS, [])
    Person.update(launchpad_name="ada-old").where(Person.id == ada.id).execute()
    newcomer = make_member(now, "ada", subject="https://login.ubuntu.com/+id/new")
    new = claim(newcomer.id, domain, None, settings.record_secret, now)
    assert new.id != alias.id, "the record does not lead from the name to its past"
    assert [change.verb for change in history_of(new)] == ["alias-claimed"]


def test_a_name_that_an_erased_person_left_is_released(domain, ada, settings, now):
    from core.models import ErasedOwner

    bare = make_alias(None, domain, now, "gone", switch=Switch.GIVEN_UP)
    with write():
        ErasedOwner.create(alias=bare, owner=owner_hashes(ada, settings.record_secret)[0])
    release(OPERATOR, bare.id, now)

    assert not Alias.select().where(Alias.local_part == "gone").exists()


def test_an_address_moves_without_mailboxes_and_past(alias, ada, domain, fate, now):
    grace = make_member(now, "grace")
    moved = move(OPERATOR, alias.id, grace.id, now)

    assert (moved.text, moved.person_id, moved.by_self_service) == ("ada@proj.example", grace.id, False)
    assert fate() == (Fate.DELIVER, ["grace@home.example.net"])
    assert moved.id != alias.id
    shown = json.dumps([dict(change.values) for change in history_of(moved)])
    assert "ada@home.example.net" not in shown
    assert told("address-moved-away") == ["ada@home.example.net"]
    assert told("address-moved-here") == ["grace@home.example.net"]
    assert verbs()[-2:] == ["alias-moved-away", "alias-moved-here"]
    assert first_fault() is None


def test_the_old_owner_cannot_claim_it_again(alias, ada, domain, settings, now):
    from core.aliases import ClaimRefused

    move(OPERATOR, alias.id, make_member(now, "grace").id, now)
    with pytest.raises(ClaimRefused):
        claim(ada.id, domain, None, settings.record_secret, now)


def test_moved_to_somebody_without_a_mailbox_it_waits(alias, fate, now):
    nobody = make_person(now, "grace")
    moved = move(OPERATOR, alias.id, nobody.id, now)

    assert fate() == (Fate.NO_RECIPIENT_YET, [])
    assert recipients_of(moved) == []
    assert moved.unreachable_since == now


def test_an_admins_hold_stays_on_the_name(alias, fate, now):
    hold(OPERATOR, alias.id, now)
    move(OPERATOR, alias.id, make_member(now, "grace").id, now)

    assert fate() == (Fate.HELD, [])


def test_nobody_decides_on_their_own(alias, ada, domain, now):
    own = Actor.person(ada.id)
    for change in (hold, lift, end, release):
        with pytest.raises(AliasProblem, match="your own"):
            change(own, alias.id, now)
    boss = make_admin(now, "boss", Role.PROJECT_ADMIN)
    with pytest.raises(AliasProblem, match="to themselves"):
        move(Actor.person(boss.id), alias.id, boss.id, now)


@pytest.mark.parametrize("why", ["theirs", "gone", "banned", "shared"])
def test_what_cannot_be_moved(alias, ada, now, why):
    grace = make_member(now, "grace")
    to = {"theirs": ada.id, "gone": 999_999}.get(why, grace.id)
    if why == "banned":
        ban(OPERATOR, grace, now)
    if why == "shared":
        AliasOwner.create(alias=alias, person=ada)
    with pytest.raises(AliasProblem):
        move(OPERATOR, alias.id, to, now)

    assert Alias.get_by_id(alias.id).person_id == ada.id


@pytest.mark.parametrize("change", [hold, lift, end, release])
def test_an_address_that_is_gone(domain, now, change):
    with pytest.raises(NotYours):
        change(OPERATOR, 999_999, now)


def test_two_moves_at_once_are_one(alias, now):
    grace, hedy = make_member(now, "grace"), make_member(now, "hedy")
    results = at_once(
        lambda: move(OPERATOR, alias.id, grace.id, now), lambda: move(OPERATOR, alias.id, hedy.id, now)
    )

    moved = [one for one in results if isinstance(one, Alias)]
    assert len(moved) == 1
    assert isinstance(next(one for one in results if not isinstance(one, Alias)), NotYours)
    assert Alias.get(Alias.local_part == "ada").person_id == moved[0].person_id


def test_an_admin_ends_what_was_about_to_end(alias, fate, now):
    Alias.update(entitlement=Entitlement.GRACE, grace_until=later(now, days=3)).execute()
    end(OPERATOR, alias.id, now)

    assert fate() == (Fate.ENDED, [])
    assert AuditValue.select().count() == AuditEntry.select().count()
