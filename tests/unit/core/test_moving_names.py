"""Names that move, accounts that end and come back: core.people, core.sync and core.team_sync together,
against the pretend Launchpad (FACTS of renames, merges, deactivation, closing, suspension, expiry)."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from core.aliases import ClaimProblem, ClaimRefused, claim
from core.audit import OPERATOR, first_fault
from core.directories import Deadline
from core.directories.launchpad import Launchpad
from core.facts import Answer
from core.models import (
    Alias,
    AliasRecipient,
    AuditEntry,
    Domain,
    Identity,
    Notice,
    Person,
    Recipient,
    Session,
)
from core.people import SignIn, SignInRefused, ban, sign_in, unban
from core.routing import Entitlement, Hold
from core.standing import facts_of
from core.sync import ask_about, ask_about_earlier_names, people_to_ask, sync_people, sync_person
from core.team_sync import sync_team
from devtools.accounts import Team
from devtools.faults import FaultKind
from devtools.launchpad import PretendLaunchpad
from devtools.people import demo_world
from devtools.world import World
from tests.support.arrange import ISSUER, later, make_domain

TEAM = "ubuntumembers"


@pytest.fixture(scope="module")
def pretend() -> Iterator[PretendLaunchpad]:
    server = PretendLaunchpad(demo_world())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(pretend) -> PretendLaunchpad:
    """The pretend Launchpad, with everybody in it as at first."""
    pretend.world = demo_world(renamed=False)
    pretend.heal()
    pretend.forget()
    return pretend


@pytest.fixture
def world(server) -> World:
    return server.world


@pytest.fixture
def launchpad(server) -> Launchpad:
    return Launchpad(server.url, "tests")


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now, "ubuntu.example", teams=[TEAM])


class Life:
    """People of the pretend world coming here, and the schedule going by."""

    def __init__(self, world: World, launchpad: Launchpad, domain: Domain, record_secret: str) -> None:
        self.world, self.launchpad, self.domain = world, launchpad, domain
        self._secret = record_secret

    def come(self, suffix: str, moment: datetime) -> Person:
        """Sign in by an identity, as the portal lets people in."""
        subject = f"https://login.ubuntu.com/+id/{suffix}"
        deadline = Deadline(4)
        reading = ask_about(self.launchpad, subject, deadline)
        account = reading.account.account
        assert account is None or ask_about_earlier_names(self.launchpad, account, deadline, moment)
        hints = {"email": f"{suffix.lower()}@home.example.net", "email_proven": True}
        return sign_in(SignIn(ISSUER, subject, **hints), reading, moment)[0]

    def suffix(self, name: str) -> str:
        """The first identity of whoever has this name now."""
        return self.world.account(name).suffixes[0]

    def claim(self, person: Person, moment: datetime) -> Alias:
        """Press the button."""
        return claim(person.id, self.domain, None, self._secret, moment)

    def settle(self, name: str, moment: datetime) -> tuple[Person, Alias]:
        """Somebody comes and claims the address."""
        person = self.come(self.suffix(name), moment)
        return person, self.claim(person, moment)

    def go_by(self, *moments: datetime) -> None:
        """Let the schedule's jobs run at some moments."""
        for moment in moments:
            ids = sync_team(self.launchpad, TEAM, Deadline(60), moment)
            sync_people(self.launchpad, ids, Deadline(60), moment)
            sync_people(self.launchpad, people_to_ask(moment), Deadline(60), moment)


@pytest.fixture
def life(world, launchpad, domain, settings) -> Life:
    return Life(world, launchpad, domain, settings.record_secret)


def state(alias: Alias) -> tuple[str, str]:
    row = Alias.get_by_id(alias.id)
    return row.entitlement, row.hold


ENTITLED = (Entitlement.ENTITLED, Hold.NONE)
GRACE = (Entitlement.GRACE, Hold.NONE)


# -- renames --------------------------------------------------------------------------------------


def test_a_renamed_member_is_followed_and_keeps_the_address(life, world, now):
    ada, alias = life.settle("ada", now)
    world.rename("ada", "ada-new")
    life.go_by(*(later(now, hours=hours) for hours in (1, 8, 30)))

    assert Person.get_by_id(ada.id).launchpad_name == "ada-new"
    assert state(alias) == ENTITLED


def test_after_a_rename_the_new_name_is_a_second_address_and_a_third_one_waits_a_year(life, world, now):
    ada, _ = life.settle("ada", now)
    world.rename("ada", "ada-two")
    life.go_by(later(now, days=10))
    life.claim(Person.get_by_id(ada.id), later(now, days=10))
    world.rename("ada-two", "ada-three")
    life.go_by(later(now, days=20))
    with pytest.raises(ClaimRefused) as caught:
        life.claim(Person.get_by_id(ada.id), later(now, days=20))
    assert caught.value.problem is ClaimProblem.ONE_NAME
    life.go_by(later(now, days=376))
    life.claim(Person.get_by_id(ada.id), later(now, days=376))

    assert {alias.local_part for alias in Alias.select()} == {"ada", "ada-two", "ada-three"}


def test_a_freed_name_that_somebody_took_gives_them_nothing(life, world, now):
    gail, alias = life.settle("gail", now)
    world.take_name("gail", moved_to="gail-moss", taker="gail-newcomer")
    newcomer = life.come(life.suffix("gail"), later(now, hours=1))

    assert newcomer.id != gail.id
    with pytest.raises(ClaimRefused) as caught:
        life.claim(newcomer, later(now, hours=1))
    assert caught.value.problem is ClaimProblem.TAKEN
    assert Alias.get_by_id(alias.id).person_id == gail.id
    assert Notice.select().where(Notice.kind == "name-taken-over").count() == 1


def test_the_list_of_a_team_that_names_the_taker_says_nothing_of_the_earlier_owner(life, world, now):
    gail, alias = life.settle("gail", now)
    world.take_name("gail", moved_to="gail-moss", taker="gail-newcomer")
    world.leave("gail-moss", TEAM)  # only the taker is in the team now
    life.go_by(later(now, hours=1), later(now, hours=8))

    assert Person.get_by_id(gail.id).launchpad_name == "gail-moss"
    assert facts_of(gail).memberships[TEAM].settled is Answer.NO
    assert state(alias) == GRACE


def test_a_team_that_took_the_name_is_nobody(life, world, now):
    ada, alias = life.settle("ada", now)
    world.rename("ada", "ada-new")
    world.add_team(Team("ada", "Ada", datetime.fromisoformat("2009-01-01T00:00:00+00:00")))
    world.join("ada", TEAM)
    life.go_by(later(now, hours=1), later(now, hours=8))

    assert Person.get_by_id(ada.id).launchpad_name == "ada-new"
    assert state(alias) == ENTITLED


# -- deactivated, closed, back again --------------------------------------------------------------


def test_a_deactivated_account_keeps_its_address_for_the_grace_time_and_gets_it_back(life, world, now):
    _, alias = life.settle("ada", now)
    world.deactivate("ada")
    life.go_by(later(now, hours=1), later(now, hours=8))
    assert state(alias) == GRACE
    world.reactivate("ada-deactivatedaccount")
    life.go_by(later(now, days=10))
    assert state(alias) == GRACE  # neither the team nor the signature came back
    world.sign_coc("ada")
    world.join("ada", TEAM)
    life.go_by(later(now, days=11), later(now, days=11, minutes=15))

    assert state(alias) == ENTITLED


def test_nobody_gets_an_address_of_a_name_that_launchpad_gives_to_remains(life, world, now):
    ada = life.come(life.suffix("ada"), now)
    world.rename("ada", "ada-deactivatedaccount")
    life.go_by(later(now, hours=1))
    sync_person(life.launchpad, ada.id, Deadline(10), later(now, hours=1))
    with pytest.raises(ClaimRefused) as caught:
        life.claim(Person.get_by_id(ada.id), later(now, hours=1))

    assert caught.value.problem is ClaimProblem.IMPOSSIBLE


def test_a_closed_account_ends_after_its_grace_time(life, world, now):
    _, alias = life.settle("ada", now)
    world.close("ada")
    life.go_by(later(now, hours=1), later(now, hours=8))

    assert state(alias) == GRACE


def test_an_expired_membership_keeps_the_address_for_the_grace_time_and_a_renewed_one_restores_it(
    life, world, now
):
    _, alias = life.settle("ada", now)
    world.expire("ada", TEAM)
    life.go_by(later(now, hours=1), later(now, hours=8))
    assert state(alias) == GRACE
    world.join("ada", TEAM)
    life.go_by(later(now, days=40))

    assert state(alias) == ENTITLED


def test_a_team_inside_the_team_that_expires_takes_its_people_along_and_only_them(life, world, now):
    (_, dora), (_, ada) = life.settle("dora", now), life.settle("ada", now)
    world.expire("demo-uploaders", TEAM)
    life.go_by(later(now, hours=1), later(now, hours=8))

    assert (state(dora), state(ada)) == (GRACE, ENTITLED)


# -- suspension -----------------------------------------------------------------------------------


def test_a_suspension_holds_at_once_when_the_schedule_has_seen_it_twice(life, world, now):
    _, alias = life.settle("ada", now)
    world.suspend("ada")
    life.go_by(later(now, minutes=15))
    assert state(alias) == ENTITLED
    life.go_by(later(now, minutes=30))

    assert state(alias) == (Entitlement.ENTITLED, Hold.LAUNCHPAD)
    assert Session.select().count() == 0
    life.go_by(later(now, hours=7))
    assert state(alias) == (Entitlement.GRACE, Hold.LAUNCHPAD)
    world.reactivate("ada")
    life.go_by(later(now, hours=8))
    assert state(alias) == ENTITLED


def test_a_suspended_person_who_tries_to_come_in_twice_is_held_too(life, world, now):
    _, alias = life.settle("ada", now)
    world.suspend("ada", sso=False)
    for minutes in (1, 11):
        with pytest.raises(SignInRefused, match="suspended"):
            life.come(life.suffix("ada"), later(now, minutes=minutes))

    assert state(alias) == (Entitlement.ENTITLED, Hold.LAUNCHPAD)


# -- merges ---------------------------------------------------------------------------------------


def test_a_new_identity_of_a_known_account_is_the_same_person(life, world, now):
    ada, _ = life.settle("ada", now)
    world.merge("hana", "ada")
    again = life.come("hAn1aT5", later(now, days=1))

    assert again.id == ada.id
    assert Person.select().count() == 1


def test_two_people_whose_accounts_were_merged_become_one_at_the_next_sign_in(life, world, now):
    (ada, first), (kaia, second) = life.settle("ada", now), life.settle("kaia", now)
    mailboxes = {alias.id: alias.alias_recipients.get().recipient.address for alias in (first, second)}
    world.merge("kaia", "ada")
    life.go_by(later(now, hours=1), later(now, hours=8))
    assert (state(first), state(second)) == (ENTITLED, ENTITLED)
    together = life.come("kAi8aD6", later(now, days=1))

    assert together.id == ada.id
    assert {alias.person_id for alias in Alias.select()} == {ada.id}
    assert {row.alias_id: row.recipient.address for row in AliasRecipient.select()} == mailboxes
    assert {row.person_id for row in Recipient.select()} == {ada.id}
    assert {identity.person_id for identity in Identity.select()} == {ada.id}
    assert Person.get_or_none(Person.id == kaia.id) is None
    assert AuditEntry.select().where(AuditEntry.verb == "people-joined").count() == 1
    assert Notice.select().where(Notice.kind == "identity-joined").count() == 1
    assert first_fault() is None


def test_the_same_mailbox_of_two_who_become_one_is_one_mailbox(life, world, now):
    (_, first), (_, second) = life.settle("ada", now), life.settle("kaia", now)
    Recipient.update(address="both@home.example.net", address_key="both@home.example.net").execute()
    world.merge("kaia", "ada")
    life.come("kAi8aD6", later(now, days=1))

    assert Recipient.select().count() == 1
    assert {row.alias_id for row in AliasRecipient.select()} == {first.id, second.id}


def test_the_one_who_had_the_account_stays_whoever_comes_first(life, world, now):
    kaia, ada = life.come(life.suffix("kaia"), now), life.come(life.suffix("ada"), now)
    world.merge("kaia", "ada")

    assert life.come("kAi8aD6", later(now, days=1)).id == ada.id
    assert life.come("aDa7xQ2", later(now, days=2)).id == ada.id
    assert kaia.id < ada.id


# -- bans -----------------------------------------------------------------------------------------


@pytest.fixture
def banned(life, now) -> Person:
    """ada, banned, with an address."""
    ada, _ = life.settle("ada", now)
    ban(OPERATOR, ada, now)
    return ada


def test_a_ban_is_not_evaded_by_a_rename_and_a_second_identity(life, world, banned, now):
    world.merge("hana", "ada")
    world.rename("ada", "innocent")
    with pytest.raises(SignInRefused, match="closed"):
        life.come("hAn1aT5", later(now, hours=1))

    assert Person.get().launchpad_name == "innocent"
    assert Identity.select().count() == 1


def test_a_ban_is_not_evaded_while_launchpad_is_down(life, world, server, banned, now):
    world.merge("hana", "ada")
    world.rename("ada", "innocent")
    server.fail(FaultKind.HTML_200)
    guest = life.come("hAn1aT5", later(now, hours=1))
    with pytest.raises(ClaimRefused):
        life.claim(guest, later(now, hours=1))
    server.heal()
    sync_person(life.launchpad, guest.id, Deadline(20), later(now, hours=1))

    assert Person.select().count() == 1
    assert Person.get().id == banned.id
    assert Session.select().count() == 0
    with pytest.raises(SignInRefused):
        life.come("hAn1aT5", later(now, hours=2))


def test_a_ban_is_not_evaded_by_a_merge_into_another_account(life, world, banned, now):
    world.join("hana", TEAM)
    life.settle("hana", now)
    world.merge("ada", "hana")
    life.go_by(later(now, days=1))

    assert Person.get().banned_at is not None
    assert {alias.hold for alias in Alias.select()} == {Hold.BAN}
    for suffix in ("hAn1aT5", "aDa7xQ2"):
        with pytest.raises(SignInRefused):
            life.come(suffix, later(now, days=2))


def test_when_it_cannot_be_found_out_nobody_new_comes_in(life, world, server, banned, now):
    world.merge("hana", "ada")
    world.rename("ada", "innocent")
    reading = ask_about(life.launchpad, "https://login.ubuntu.com/+id/hAn1aT5", Deadline(4))
    server.fail(FaultKind.HTML_200)

    assert not ask_about_earlier_names(
        life.launchpad, reading.account.account, Deadline(4), later(now, hours=1)
    )


def test_a_banned_person_without_any_account_left_does_not_come_back_by_another_identity(
    life, world, banned, now
):
    world.update("ada", name="innocent", suffixes=("hAn2bB2",))  # its first identity is gone
    with pytest.raises(SignInRefused):
        life.come("hAn2bB2", later(now, hours=1))


def test_whoever_takes_the_name_of_a_banned_person_is_not_banned(life, world, banned, now):
    world.take_name("ada", moved_to="ada-old", taker="gail-newcomer")
    newcomer = life.come(life.suffix("ada"), later(now, hours=1))

    assert newcomer.id != banned.id
    assert newcomer.banned_at is None


def test_somebody_who_was_born_at_the_same_moment_is_not_banned(life, world, banned, now):
    twin = world.account("ada").date_created
    world.update("hana", date_created=twin)
    newcomer = life.come(life.suffix("hana"), later(now, hours=1))

    assert newcomer.id != banned.id
    unban(OPERATOR, banned, now)
