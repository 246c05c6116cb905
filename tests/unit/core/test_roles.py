"""core.roles"""

import json

import pytest

from core.alias_table import open_alias_table
from core.audit import OPERATOR, first_fault
from core.models import AliasRecipient, AuditEntry, Identity, Person, Recipient, RoleGrant
from core.people import ban
from core.roles import Role, admin_recipients, first_recipient, grant
from core.routing import Switch
from tests.support.arrange import (
    ISSUER,
    claimed_id,
    make_admin,
    make_alias,
    make_domain,
    make_person,
    make_recipient,
)


@pytest.fixture
def domain(db, now):
    return make_domain(now)


def addresses(domain) -> list[str]:
    return [recipient.address for recipient in admin_recipients(domain)]


def test_a_role_is_given_once(domain, now):
    assert grant(OPERATOR, ISSUER, "subject", Role.DOMAIN_ADMIN, domain, now)
    assert not grant(OPERATOR, ISSUER, "subject", Role.DOMAIN_ADMIN, domain, now)
    assert RoleGrant.select().count() == 1


def test_a_role_of_the_project_is_given_once(domain, now):
    assert grant(OPERATOR, ISSUER, "subject", Role.PROJECT_ADMIN, None, now)
    assert not grant(OPERATOR, ISSUER, "subject", Role.PROJECT_ADMIN, None, now)
    assert RoleGrant.select().count() == 1


def test_the_same_role_may_be_given_on_two_domains(domain, now):
    other = make_domain(now, "other.example")

    assert grant(OPERATOR, ISSUER, "subject", Role.DOMAIN_ADMIN, domain, now)
    assert grant(OPERATOR, ISSUER, "subject", Role.DOMAIN_ADMIN, other, now)


def test_a_grant_is_recorded(domain, now):
    grant(OPERATOR, ISSUER, "subject", Role.DOMAIN_ADMIN, domain, now)

    entry = AuditEntry.select().order_by(AuditEntry.id.desc()).first()
    assert (entry.actor, entry.verb) == ("operator", "role-granted")
    assert json.loads(entry.subject_ids) == {"role_grant": RoleGrant.get().id}
    assert first_fault() is None


def test_admins_of_the_domain_are_written_to_before_those_of_the_project(domain, now):
    make_admin(now, "kaia", Role.PROJECT_ADMIN)
    make_admin(now, "lars", Role.DOMAIN_ADMIN, domain)

    assert addresses(domain) == ["lars@admins.example.net"]


def test_admins_of_another_domain_are_not_written_to(domain, now):
    make_admin(now, "kaia", Role.PROJECT_ADMIN)
    make_admin(now, "lars", Role.DOMAIN_ADMIN, make_domain(now, "other.example"))

    assert addresses(domain) == ["kaia@admins.example.net"]


def test_an_auditor_is_not_written_to(domain, now):
    make_admin(now, "kaia", Role.AUDITOR)

    assert addresses(domain) == []


def test_a_banned_admin_is_not_written_to(domain, now):
    ban(OPERATOR, make_admin(now, "kaia", Role.DOMAIN_ADMIN, domain), now)

    assert addresses(domain) == []


def test_a_role_stays_with_the_identity_when_somebody_takes_the_name(domain, now):
    kaia = make_admin(now, "kaia", Role.DOMAIN_ADMIN, domain)
    Person.update(launchpad_name="kaia-thorn").where(Person.id == kaia.id).execute()
    newcomer = make_person(now, "kaia", subject=claimed_id("newcomer"))
    make_recipient(newcomer, now, "newcomer@home.example.net")

    assert addresses(domain) == ["kaia@admins.example.net"]


def test_an_admin_with_two_identities_is_written_to_once(domain, now):
    kaia = make_admin(now, "kaia", Role.DOMAIN_ADMIN, domain)
    Identity.create(issuer=ISSUER, subject=claimed_id("second"), person=kaia, added_at=now)
    grant(OPERATOR, ISSUER, claimed_id("second"), Role.DOMAIN_ADMIN, domain, now)

    assert addresses(domain) == ["kaia@admins.example.net"]


def test_the_first_recipient_is_the_first_that_is_verified(domain, now):
    ada = make_person(now)
    make_recipient(ada, now, "unproven@home.example.net", proven=False)
    make_recipient(ada, now, "one@home.example.net")
    make_recipient(ada, now, "two@home.example.net")

    assert first_recipient(ada).address == "one@home.example.net"


def test_one_that_was_taken_out_of_all_addresses_comes_after_those_in_use(domain, now):
    ada = make_person(now)
    make_recipient(ada, now, "left@home.example.net")
    given_up = make_recipient(ada, now, "given-up@home.example.net")
    used = make_recipient(ada, now, "used@home.example.net")
    waiting = make_recipient(ada, now, "waiting@home.example.net")
    make_alias(ada, domain, now, "old", recipients=[given_up], switch=Switch.GIVEN_UP)
    alias = make_alias(ada, domain, now, recipients=[waiting, used])
    AliasRecipient.update(replaces=used.id).where(
        AliasRecipient.alias == alias, AliasRecipient.recipient == waiting
    ).execute()

    assert first_recipient(ada) == used


def test_somebody_elses_address_does_not_put_a_mailbox_into_use(domain, now):
    ada, grace = make_person(now), make_person(now, "grace")
    one, two = (make_recipient(ada, now, f"{name}@home.example.net") for name in ("one", "two"))
    make_alias(grace, domain, now, "grace", recipients=[two])

    assert first_recipient(ada) == one


def test_one_that_refuses_mail_comes_after_one_that_works(domain, now):
    ada = make_person(now)
    broken, works = (make_recipient(ada, now, f"{name}@home.example.net") for name in ("broken", "works"))
    make_alias(ada, domain, now, recipients=[broken, works])
    Recipient.update(failing_since=now).where(Recipient.id == broken.id).execute()

    assert first_recipient(ada) == works


def test_without_a_verified_recipient_there_is_no_first(domain, now):
    ada = make_person(now)
    make_recipient(ada, now, proven=False)

    assert first_recipient(ada) is None


@pytest.mark.parametrize("case", ["nobody", "project", "domain", "both", "unverified", "auditor", "banned"])
def test_the_relay_finds_the_same_admins(domain, settings, now, case):
    if case in ("project", "both", "unverified"):
        make_admin(now, "kaia", Role.PROJECT_ADMIN)
        make_admin(now, "mina", Role.PROJECT_ADMIN)
    if case in ("domain", "both", "unverified", "banned"):
        lars = make_admin(now, "lars", Role.DOMAIN_ADMIN, domain)
    if case == "unverified":
        Recipient.update(verified_at=None).where(Recipient.person == lars).execute()
    if case == "banned":
        ban(OPERATOR, lars, now)
    if case == "auditor":
        make_admin(now, "ivo", Role.AUDITOR)

    assert open_alias_table(settings.database_url).admin_recipients(domain.name) == addresses(domain)
