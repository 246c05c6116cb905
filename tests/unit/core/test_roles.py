"""core.roles"""

import json

import pytest

from core.alias_table import open_alias_table
from core.audit import OPERATOR, Actor, first_fault
from core.database import write
from core.facts import Answer
from core.models import (
    AliasRecipient,
    AuditEntry,
    Domain,
    Identity,
    Membership,
    Person,
    Recipient,
    RoleGrant,
    RoleTeam,
)
from core.people import ban
from core.roles import (
    Authority,
    Role,
    RoleProblem,
    admin_recipients,
    authority_of,
    first_recipient,
    grant,
    grant_to_team,
    revoke,
    revoke_from_team,
)
from core.routing import Switch
from core.standing import mapped_teams, store_memberships
from tests.support.arrange import (
    ISSUER,
    claimed_id,
    later,
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


# -- what somebody may do -------------------------------------------------------------------------


def may(person, now, configured=()) -> Authority:
    return authority_of(person, configured, now)


def test_without_a_role_nobody_sees_or_decides_anything(domain, now):
    nobody = may(make_person(now), now)

    assert (nobody.roles, nobody.domains) == (frozenset(), frozenset())
    assert not nobody.sees(domain.id)
    assert not nobody.decides(domain.id)


@pytest.mark.parametrize(
    ("role", "sees_other", "decides_own", "decides_other"),
    [
        (Role.PROJECT_ADMIN, True, True, True),
        (Role.DOMAIN_ADMIN, False, True, False),
        (Role.AUDITOR, True, False, False),
    ],
)
@pytest.mark.parametrize("by", ["grant", "settings", "team"])
def test_a_role_counts_however_it_is_given(domain, now, by, role, sees_other, decides_own, decides_other):
    other, kaia = make_domain(now, "other.example"), make_person(now, "kaia")
    own = domain if role is Role.DOMAIN_ADMIN else None
    configured = []
    if by == "grant":
        grant(OPERATOR, ISSUER, claimed_id("kaia"), role, own, now)
    elif by == "settings":
        name = f"{role}:{domain.name.upper()}" if own else role
        configured = [f"{name} {ISSUER} {claimed_id('kaia')}"]
    else:
        grant_to_team(OPERATOR, "some-admins", role, own, now)
        with write():
            store_memberships(kaia, {"some-admins": Answer.YES}, now)

    found = may(kaia, now, configured)

    assert found.roles == {role}
    assert found.sees(domain.id)
    assert found.sees(other.id) is sees_other
    assert found.decides(domain.id) is decides_own
    assert found.decides(other.id) is decides_other


@pytest.mark.parametrize(
    "line",
    [
        f"project_admin {ISSUER} {claimed_id('grace')}",
        f"project_admin https://evil.example/ {claimed_id('kaia')}",
        f"domain_admin:elsewhere.example {ISSUER} {claimed_id('kaia')}",
    ],
)
def test_settings_for_somebody_or_something_else_give_nothing(domain, now, line):
    assert may(make_person(now, "kaia"), now, [line]) == Authority()


def test_a_name_gives_no_role(domain, now):
    make_admin(now, "kaia", Role.PROJECT_ADMIN)
    newcomer = make_person(now, "kaia", subject=claimed_id("newcomer"))

    assert may(newcomer, now) == Authority()


def test_a_banned_admin_is_none(domain, now):
    kaia = make_admin(now, "kaia", Role.PROJECT_ADMIN)
    ban(OPERATOR, kaia, now)

    assert may(Person.get_by_id(kaia.id), now) == Authority()


def test_the_admin_of_a_domain_that_was_removed_is_none(domain, now):
    kaia = make_admin(now, "kaia", Role.DOMAIN_ADMIN, domain)
    Domain.update(removed_at=now).where(Domain.id == domain.id).execute()

    assert may(kaia, now) == Authority()


@pytest.mark.parametrize("change", ["no", "first no", "a day old", "taken"])
def test_a_team_gives_its_role_while_the_directory_confirms_it(domain, now, change):
    kaia = make_person(now, "kaia")
    grant_to_team(OPERATOR, "some-admins", Role.PROJECT_ADMIN, None, now)
    with write():
        store_memberships(kaia, {"some-admins": Answer.YES}, now)
    assert may(kaia, now).roles

    row = Membership.select().where(Membership.team == "some-admins")
    if change == "no":
        Membership.update(holds=False).where(Membership.id.in_(row)).execute()
    elif change == "first no":
        Membership.update(first_no_at=now).where(Membership.id.in_(row)).execute()
    elif change == "taken":
        assert revoke_from_team(OPERATOR, RoleTeam.get().id, now)
    moment = later(now, hours=25) if change == "a day old" else now

    assert may(kaia, moment) == Authority()


def test_a_team_that_gives_a_role_is_read(domain, now):
    grant_to_team(OPERATOR, "some-admins", Role.AUDITOR, None, now)

    assert "some-admins" in mapped_teams()


# -- nobody raises themselves ---------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("identity", ["kaia", "second"])
def test_nobody_gives_a_role_to_themselves_by_any_of_their_identities(domain, now, role, identity):
    kaia = make_admin(now, "kaia", Role.PROJECT_ADMIN)
    Identity.create(issuer=ISSUER, subject=claimed_id("second"), person=kaia, added_at=now)
    own = domain if role is Role.DOMAIN_ADMIN else None

    with pytest.raises(RoleProblem, match="themselves"):
        grant(Actor.person(kaia.id), ISSUER, claimed_id(identity), role, own, now)

    assert RoleGrant.select().count() == 1


@pytest.mark.parametrize("role", [Role.PROJECT_ADMIN, Role.AUDITOR])
def test_a_role_fits_its_domain(domain, now, role):
    with pytest.raises(RoleProblem, match="one domain"):
        grant(OPERATOR, ISSUER, "x", role, domain, now)
    with pytest.raises(RoleProblem, match="one domain"):
        grant(OPERATOR, ISSUER, "x", Role.DOMAIN_ADMIN, None, now)
    with pytest.raises(RoleProblem, match="one domain"):
        grant_to_team(OPERATOR, "x", role, domain, now)


def test_a_role_is_taken_once_and_recorded(domain, now):
    kaia = make_admin(now, "kaia", Role.PROJECT_ADMIN)
    number = RoleGrant.get().id

    assert revoke(OPERATOR, number, now)
    assert not revoke(OPERATOR, number, now)
    assert may(kaia, now) == Authority()
    assert AuditEntry.select().where(AuditEntry.verb == "role-revoked").count() == 1
    assert first_fault() is None


def test_a_team_gets_and_loses_a_role_once(domain, now):
    assert grant_to_team(OPERATOR, "x", Role.AUDITOR, None, now)
    assert not grant_to_team(OPERATOR, "x", Role.AUDITOR, None, now)
    number = RoleTeam.get().id
    assert revoke_from_team(OPERATOR, number, now)
    assert not revoke_from_team(OPERATOR, number, now)
