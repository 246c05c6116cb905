"""core.provisioning"""

import pytest

from core.aliases import give_up
from core.audit import OPERATOR, first_fault
from core.database import write
from core.directories import Deadline
from core.models import Alias, AliasRecipient, AuditEntry, Domain, Membership, Notice, Person, Recipient
from core.ownership import lock_person
from core.people import SignIn, ban, sign_in
from core.provisioning import provide, provide_all
from core.roles import Role
from core.routing import Entitlement, Switch
from core.sync import sync_person
from core.team_sync import sync_team
from tests.support.arrange import (
    ISSUER,
    TEAM,
    UNKNOWN,
    account,
    claimed_id,
    entitle,
    later,
    make_admin,
    make_alias,
    make_domain,
    make_member,
    make_person,
    reading,
)
from tests.support.directory import SaidDirectory
from tests.support.threads import at_once

ADA = account("ada")


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now, automatic=True)


def come(now, said=None, **hints) -> Person:
    """ada signs in, with a proven address if nothing else is said."""
    hints = {"email": "ada@home.example.net", "email_proven": True} | hints
    return sign_in(SignIn(ISSUER, claimed_id("ada"), **hints), said or reading(ADA, TEAM), now)[0]


def kinds() -> list[tuple[str, str | None]]:
    rows = Notice.select().order_by(Notice.kind, Notice.id)
    return [(row.kind, row.recipient and row.recipient.address) for row in rows]


def test_a_member_has_the_address_as_soon_as_they_sign_in(domain, now):
    ada = come(now)

    alias = Alias.get()
    assert (alias.text, alias.person_id, alias.switch) == ("ada@proj.example", ada.id, Switch.ON)
    assert [row.recipient.address for row in AliasRecipient.select()] == ["ada@home.example.net"]
    assert kinds() == [("address-created", None), ("address-made", "ada@home.example.net")]
    assert AuditEntry.select().where(AuditEntry.verb == "alias-provided").get().actor == "job:provisioning"
    assert first_fault() is None


def test_on_other_domains_it_is_claimed(db, now):
    make_domain(now)
    come(now)

    assert Alias.select().count() == 0


def test_whoever_is_not_entitled_or_doubted_gets_none(domain, now):
    ada = come(now, reading(ADA))
    assert Alias.select().count() == 0
    with write():
        entitle(ada, now)
        Membership.update(first_no_at=now).execute()
        provide([ada], now)

    assert Alias.select().count() == 0


def test_a_member_of_whom_launchpad_said_nothing_at_the_sign_in_gets_it_by_the_job(domain, now):
    ada = come(now, UNKNOWN)
    assert Alias.select().count() == 0
    sync_person(SaidDirectory({claimed_id("ada"): ADA}, {"ada": (TEAM,)}), ada.id, Deadline(9), now)

    assert Alias.get().person_id == ada.id


def test_whoever_joins_the_team_later_gets_it_when_the_team_is_read(domain, now):
    ada = come(now, reading(ADA))
    sync_team(SaidDirectory(people={TEAM: (ADA,)}), TEAM, Deadline(9), later(now, hours=1))

    assert Alias.get().person_id == ada.id


def test_a_domain_that_becomes_automatic_gives_at_the_next_pass(db, now):
    domain = make_domain(now)
    ada = come(now)
    assert provide_all(now) == 0
    Domain.update(automatic=True).execute()
    assert provide_all(now) == 1

    assert (Alias.get().person_id, Alias.get().domain_id) == (ada.id, domain.id)
    assert provide_all(now) == 0


def test_nothing_is_made_twice_also_at_once(domain, now):
    come(now)
    Alias.delete().execute()
    Notice.delete().execute()

    def give():
        with write():
            provide([lock_person(Person.get().id)], now)

    assert at_once(*[give] * 4, *[lambda: provide_all(now)] * 2)[:4] == [None] * 4
    assert Alias.select().count() == 1
    assert len(kinds()) == 2


def test_without_a_proven_address_nothing_is_made(domain, now):
    come(now, email_proven=False)

    assert Alias.select().count() == 0


@pytest.mark.parametrize("address", ["ada@proj.example", "ADA@Proj.Example", "other@proj.example"])
def test_an_address_of_ours_makes_one_that_is_switched_off_and_everybody_is_told(domain, now, address):
    make_admin(now, "kaia", Role.DOMAIN_ADMIN, domain)
    come(now, email=address)

    alias = Alias.get()
    assert (alias.text, alias.switch) == ("ada@proj.example", Switch.OFF_LATER)
    assert AliasRecipient.select().count() == 0
    assert alias.unreachable_since == now
    assert kinds() == [
        ("address-created", "kaia@admins.example.net"),
        ("address-made-off", "kaia@admins.example.net"),
    ]


def test_whoever_has_proven_another_mailbox_has_it_there(domain, now):
    come(now, reading(ADA))
    come(later(now, hours=1), email="ada@proj.example")

    assert Alias.get().switch == Switch.ON
    assert AliasRecipient.get().recipient.address == "ada@home.example.net"


def test_what_was_given_up_is_not_made_again(domain, now):
    ada = come(now)
    give_up(ada.id, Alias.get().id, now)
    come(later(now, days=1))
    provide_all(later(now, days=1))

    assert Alias.get().switch == Switch.GIVEN_UP


def test_what_ended_comes_back_when_its_owner_is_entitled_again(domain, now):
    come(now)
    Alias.update(entitlement=Entitlement.ENDED, grace_until=now).execute()
    come(later(now, days=1))

    assert (Alias.get().entitlement, Alias.get().grace_until) == (Entitlement.ENTITLED, None)
    assert [kind for kind, _ in kinds()].count("address-made") == 2


def test_after_a_rename_the_old_address_stays_the_only_one(domain, now):
    come(now)
    come(later(now, days=1), reading(account("ada-new"), TEAM))

    assert [alias.local_part for alias in Alias.select()] == ["ada"]


@pytest.mark.parametrize("name", ["postmaster", "ada+x", "removed11"])
def test_a_name_that_nobody_can_claim_is_not_made(domain, now, name):
    come(now, reading(account(name), TEAM))

    assert Alias.select().count() == 0


def test_a_name_that_another_has_is_not_made(domain, now):
    make_alias(make_person(now, "grace"), domain, now, "ada")
    come(now)

    assert Alias.select().count() == 1


def test_the_banned_get_none(domain, now):
    ada = make_member(now)
    ban(OPERATOR, ada, now)
    provide_all(now)

    assert Alias.select().count() == 0
    assert Recipient.select().count() == 1


def test_a_domain_that_is_not_proven_gives_none(domain, now):
    Domain.update(verified_at=None).execute()
    come(now)
    assert provide_all(now) == 0

    assert Alias.select().count() == 0
