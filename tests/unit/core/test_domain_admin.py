"""core.domain_admin"""

import pytest

from core.audit import OPERATOR, Actor
from core.dns_asking import Outcome
from core.domain_admin import (
    MOST_COUNTED,
    DomainProblem,
    TeamLook,
    Wanted,
    add,
    add_admin,
    addresses_on,
    change,
    domain_of_link,
    identities_named,
    link_token,
    look_up_teams,
    make_link,
    new_name,
    remove_admin,
    reserved_on,
    revoke_link,
    wanted_of,
)
from core.domain_proof import gives_out_names, take_look
from core.domains import Rules, remove_domain
from core.models import AuditEntry, Domain, Identity, Person, Recipient, RoleGrant
from core.roles import Role, authority_of
from tests.support.arrange import (
    DOMAIN,
    ISSUER,
    account,
    claimed_id,
    make_admin,
    make_alias,
    make_domain,
    make_member,
    make_person,
)
from tests.support.directory import SaidDirectory
from tests.support.threads import at_once

WANTED = Wanted(Rules(("staff",)), ("press",))


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


def identity_of(person: Person) -> Identity:
    return Identity.get(Identity.person == person)


def rows() -> tuple[int, int, int]:
    return Domain.select().count(), RoleGrant.select().count(), AuditEntry.select().count()


# -- adding ---------------------------------------------------------------------------------------


def test_a_domain_is_added_with_everything_or_not_at_all(db, now):
    ada = make_member(now)
    before = rows()
    with pytest.raises(DomainProblem, match="themselves"):
        add(Actor.person(ada.id), DOMAIN, WANTED, [identity_of(ada)], now)

    assert rows() == before


def test_one_of_two_who_add_a_domain_at_once_is_told_so(db, now):
    results = at_once(*[lambda: add(OPERATOR, DOMAIN, WANTED, [], now)] * 3)

    assert sorted(type(result).__name__ for result in results) == ["Domain", "DomainProblem", "DomainProblem"]
    assert reserved_on(Domain.get()) == ["press"]


def test_it_opens_when_an_admin_with_a_mailbox_comes(db, now):
    domain = add(OPERATOR, DOMAIN, WANTED, [], now)
    take_look(OPERATOR, domain, Outcome.FOUND, now)
    assert not gives_out_names(Domain.get())

    add_admin(OPERATOR, Domain.get(), identity_of(make_person(now, "bare")), now)
    assert not gives_out_names(Domain.get())
    add_admin(OPERATOR, Domain.get(), identity_of(make_member(now)), now)
    assert gives_out_names(Domain.get())


def test_the_projects_admin_is_enough(db, now):
    make_admin(now, "boss", Role.PROJECT_ADMIN)

    assert not add(OPERATOR, DOMAIN, WANTED, [], now).waits_for_admin


def test_the_portals_own_name_is_no_domain_for_addresses(db, settings):
    with pytest.raises(DomainProblem, match="this portal"):
        new_name(
            "Portal.example.org.", settings.model_copy(update={"public_url": "https://portal.example.org"})
        )


def test_the_domain_to_which_bounces_come_back_is_none_either(db, settings):
    with pytest.raises(DomainProblem, match="SRS_DOMAIN"):
        new_name(settings.srs_domain.upper(), settings)


def test_a_change_that_changes_nothing_leaves_no_entry(domain, now):
    assert change(OPERATOR, domain, WANTED, now)
    before = rows()

    assert not change(OPERATOR, domain, WANTED, now)
    assert rows() == before


@pytest.mark.parametrize("name", ["a@b", "-x", "x" * 65, "ä", "a b\u0000"])
def test_what_cannot_stand_before_the_at_is_no_kept_name(name):
    with pytest.raises(DomainProblem, match="cannot stand"):
        wanted_of(["a"], coc_required=True, automatic=False, grace="9", dmarc="", reserved=[name])


def test_addresses_are_counted_up_to_where_a_page_says_or_more(domain, now):
    for number in range(MOST_COUNTED + 5):
        make_alias(None, domain, now, f"name{number}")

    assert addresses_on(domain) == MOST_COUNTED


# -- the directory --------------------------------------------------------------------------------


def test_teams_are_looked_up_with_three_answers():
    directory = SaidDirectory(people={"staff": (account(), account("bob"))}, gone=("gone",))

    assert look_up_teams(directory, ["staff", "gone", "silent"]) == [
        TeamLook("staff", 2),
        TeamLook("gone", None, gone=True),
        TeamLook("silent", None),
    ]


def test_a_role_goes_to_an_identity_that_the_directory_confirms(db, now):
    make_person(now, "ada")
    directory = SaidDirectory(accounts={claimed_id("ada"): account("ada")})

    assert [row.subject for row in identities_named(directory, ["Ada", "ada"], ISSUER)] == [claimed_id("ada")]


@pytest.mark.parametrize(
    "accounts", [{}, {claimed_id("ada"): None}, {claimed_id("ada"): account("ada-renamed")}]
)
def test_a_name_that_changed_hands_or_is_not_confirmed_gives_nobody_a_role(db, now, accounts):
    make_person(now, "ada")

    with pytest.raises(DomainProblem, match="not confirmed"):
        identities_named(SaidDirectory(accounts=accounts), ["ada"], ISSUER)


def test_a_banned_person_and_one_of_another_provider_are_nobody_here(db, now):
    ada = make_person(now, "ada")
    directory = SaidDirectory(accounts={claimed_id("ada"): account("ada")})
    with pytest.raises(DomainProblem, match="Nobody named ada"):
        identities_named(directory, ["ada"], "https://elsewhere.example/")
    Person.update(banned_at=now).where(Person.id == ada.id).execute()
    with pytest.raises(DomainProblem, match="Nobody named ada"):
        identities_named(directory, ["ada"], ISSUER)


# -- admins ---------------------------------------------------------------------------------------


def test_only_a_role_on_the_domain_itself_is_taken_there(domain, now):
    boss = make_admin(now, "boss", Role.PROJECT_ADMIN)
    other = make_domain(now, "other.example")
    helper = make_admin(now, "helper", Role.DOMAIN_ADMIN, other)
    ids = [row.id for row in RoleGrant.select()]

    assert not any(remove_admin(OPERATOR, domain, grant_id, now) for grant_id in ids)
    assert authority_of(boss, [], now).roles == {Role.PROJECT_ADMIN}
    assert authority_of(helper, [], now).own_domains == {other.id}
    assert remove_admin(OPERATOR, other, RoleGrant.get(RoleGrant.domain == other).id, now)
    assert authority_of(helper, [], now).own_domains == set()
    assert Recipient.select().count() == 2


# -- the link -------------------------------------------------------------------------------------


def test_a_link_leads_to_its_domain_until_it_is_revoked_replaced_or_the_domain_goes(domain, now):
    assert link_token(domain, "key") is None
    make_link(OPERATOR, domain, now)
    first = link_token(domain, "key")
    assert domain_of_link(first, "key") == domain
    assert domain_of_link(first, "another key") is None  # the database alone does not make one

    make_link(OPERATOR, domain, now)
    second = link_token(domain, "key")
    assert domain_of_link(first, "key") is None
    assert domain_of_link(second, "key") == domain
    revoke_link(OPERATOR, domain, now)
    assert domain_of_link(second, "key") is None

    make_link(OPERATOR, domain, now)
    third = link_token(domain, "key")
    remove_domain(OPERATOR, domain, now)
    assert domain_of_link(third, "key") is None


def test_a_link_of_one_domain_shows_no_other(domain, now):
    other = make_domain(now, "other.example")
    for each in (domain, other):
        make_link(OPERATOR, each, now)
    mac = link_token(domain, "key").partition("-")[2]

    assert domain_of_link(f"{other.id}-{mac}", "key") is None
