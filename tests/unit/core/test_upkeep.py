"""core.upkeep"""

import pytest

from core.aliases import claim, give_up
from core.audit import OPERATOR, first_fault
from core.database import write
from core.domains import add_domain
from core.facts import Answer
from core.letters import write_letter
from core.lifecycle import Event
from core.models import Alias, AuditEntry, Domain, DomainTeam, Notice, Person, Session
from core.ownership import lock_person
from core.people import ban, unban
from core.routing import Entitlement, Hold, Switch
from core.sessions import open_session
from core.standing import store_account_facts, store_memberships
from core.sync import store_reading
from core.upkeep import keep_all_up, keep_up
from tests.support.arrange import (
    TEAM,
    account,
    later,
    make_alias,
    make_domain,
    make_member,
    make_person,
    reading,
)
from tests.support.threads import at_once

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def ada(domain, now) -> Person:
    """ada, a member with a proven mailbox and another proven sign-in address."""
    person = make_member(now)
    Person.update(sign_in_email="ada@post.example.com", sign_in_email_proven=True).execute()
    return Person.get_by_id(person.id)


@pytest.fixture
def alias(ada, domain, now) -> Alias:
    return make_alias(ada, domain, now, recipients=[ada.recipients.get()])


@pytest.fixture
def look(ada, alias):
    """Write down what the directory says at a moment."""

    def look(moment, of=None, *teams):
        with write():
            store_reading(lock_person(ada.id), reading(of or account(), *teams), moment)

    return look


def told() -> list[tuple[str, str | None]]:
    rows = Notice.select().order_by(Notice.id)
    return [(row.kind, row.recipient.address if row.recipient else None) for row in rows]


def both(event: Event) -> list[tuple[str, str | None]]:
    """A notice to the first mailbox and to the sign-in address."""
    return [(event, "ada@home.example.net"), (event, None)]


def verbs() -> list[str]:
    return [row.verb for row in AuditEntry.select().order_by(AuditEntry.id)]


def kept() -> Alias:
    return Alias.get()


# -- leaving and coming back ----------------------------------------------------------------------


def test_every_notice_of_a_life_can_be_written(look, ada, settings, now):
    for minutes in (0, 10):
        look(later(now, minutes=minutes), account(valid=NO, suspended=YES), TEAM)
    look(later(now, hours=1), None, TEAM)
    for hours in (2, 8):
        look(later(now, hours=hours))
    letters = [write_letter(notice, settings, later(now, hours=9)) for notice in Notice.select()]

    assert [kind for kind, address in told() if address] == [
        Event.SUSPENDED,
        Event.SUSPENSION_LIFTED,
        Event.GRACE_STARTED,
    ]
    assert [letter is not None for letter in letters] == [False, False, True, True, True, True]
    look(later(now, hours=10), None, TEAM)
    assert write_letter(Notice.select().order_by(Notice.id.desc()).first(), settings, now) is not None


def test_one_clear_no_starts_nothing(look, now):
    look(later(now, days=1))

    assert kept().entitlement == Entitlement.ENTITLED
    assert told() == []


def test_two_clear_noes_six_hours_apart_start_the_grace_time_of_the_domain(look, domain, now):
    Domain.update(grace_days=30).execute()
    look(later(now, hours=1))
    look(later(now, hours=7))

    assert kept().entitlement == Entitlement.GRACE
    assert kept().grace_until == later(now, days=30, hours=7)
    assert told() == both(Event.GRACE_STARTED)
    assert verbs()[-1] == "alias-grace-started"
    assert first_fault() is None


def test_coming_back_restores_at_once(look, now):
    look(later(now, hours=1))
    look(later(now, hours=7))
    look(later(now, days=80), None, TEAM)

    assert kept().entitlement == Entitlement.ENTITLED
    assert (kept().grace_until, kept().grace_told) == (None, None)
    assert told() == both(Event.GRACE_STARTED) + both(Event.GRACE_LIFTED)


def test_whoever_never_comes_back_is_reminded_and_loses_the_address(look, ada, now):
    look(later(now, hours=1))
    look(later(now, hours=7))
    for day in range(1, 95):
        keep_all_up(later(now, days=day))

    assert kept().entitlement == Entitlement.ENDED
    assert told() == [
        *both(Event.GRACE_STARTED),
        *both(Event.GRACE_14_DAYS),
        *both(Event.GRACE_2_DAYS),
        *both(Event.ENDED),
    ]


def test_the_same_person_may_claim_an_ended_address_again(look, ada, domain, settings, now):
    look(later(now, hours=1))
    look(later(now, hours=7))
    back = later(now, days=200)
    keep_all_up(back)
    look(back, None, TEAM)
    assert kept().entitlement == Entitlement.ENDED
    claim(ada.id, domain, None, settings.record_secret, back)

    assert kept().entitlement == Entitlement.ENTITLED
    keep_all_up(later(back, days=100))
    assert kept().entitlement == Entitlement.ENTITLED


def test_a_second_leaving_is_told_anew(look, now):
    for start in (1, 100, 300):
        look(later(now, days=start))
        look(later(now, days=start + 1))
        look(later(now, days=start + 50), None, TEAM)

    assert [kind for kind, address in told() if address] == [Event.GRACE_STARTED, Event.GRACE_LIFTED] * 3


def test_a_person_of_whom_nothing_good_was_ever_known_loses_nothing_by_one_look(domain, now):
    """A reserved address that somebody took over at their first sign-in."""
    person = make_person(now)
    make_alias(person, domain, now)
    with write():
        store_reading(lock_person(person.id), reading(account()), now)
    assert kept().entitlement == Entitlement.ENTITLED
    with write():
        store_reading(lock_person(person.id), reading(account()), later(now, hours=6))

    assert kept().entitlement == Entitlement.GRACE


def test_another_domain_with_another_team_stays(look, ada, now):
    other = make_domain(now, "other.example", teams=["other"])
    make_alias(ada, other, now)
    for hours in (0, 1, 7):
        look(later(now, hours=hours), None, "other")

    lives = {alias.domain.name: alias.entitlement for alias in Alias.select()}
    assert lives == {"proj.example": Entitlement.GRACE, "other.example": Entitlement.ENTITLED}


def test_an_address_that_was_given_up_is_left_alone(look, ada, alias, now):
    give_up(ada.id, alias.id, now)
    look(later(now, hours=1))
    look(later(now, hours=7))

    assert kept().entitlement == Entitlement.ENTITLED
    assert told() == []


def test_a_domain_that_was_removed_is_left_alone(look, domain, now):
    Domain.update(removed_at=now).execute()
    look(later(now, hours=1))
    look(later(now, hours=7))
    keep_all_up(later(now, hours=8))

    assert kept().entitlement == Entitlement.ENTITLED


@pytest.mark.parametrize("change", [{"verified_at": None}, {"coc_required": True}])
def test_what_happens_to_a_domains_proof_takes_nobodys_address_away(look, domain, now, change):
    Domain.update(change).execute()
    for day in (1, 2, 3):
        look(later(now, days=day), None, TEAM)
        keep_all_up(later(now, days=day))

    assert kept().entitlement == Entitlement.ENTITLED


# -- suspension -----------------------------------------------------------------------------------


def test_a_suspension_that_is_said_twice_holds_at_once_and_ends_sessions(look, ada, now):
    with write():
        open_session(ada, now)
    suspended = account(valid=NO, suspended=YES)
    look(now, suspended)
    assert (kept().hold, Session.select().count()) == (Hold.NONE, 1)
    look(later(now, minutes=9), suspended)
    assert kept().hold == Hold.NONE
    look(later(now, minutes=10), suspended)

    assert (kept().hold, Session.select().count()) == (Hold.LAUNCHPAD, 0)
    assert kept().entitlement == Entitlement.ENTITLED
    assert told() == both(Event.SUSPENDED)


def test_one_clear_word_lifts_a_suspension(look, now):
    for minutes in (0, 10):
        look(later(now, minutes=minutes), account(valid=NO, suspended=YES))
    look(later(now, days=3), account(), TEAM)

    assert kept().hold == Hold.NONE
    assert told()[-2:] == both(Event.SUSPENSION_LIFTED)


def test_an_unknown_word_lifts_none(look, now):
    for minutes in (0, 10):
        look(later(now, minutes=minutes), account(valid=NO, suspended=YES))
    look(later(now, days=3), account(suspended=UNKNOWN), TEAM)

    assert kept().hold == Hold.LAUNCHPAD


def test_a_ban_and_a_suspension_each_hold_until_both_are_over(look, ada, now):
    ban(OPERATOR, ada, now)
    for minutes in (0, 10):
        look(later(now, minutes=minutes), account(valid=NO, suspended=YES))
    unban(OPERATOR, ada, later(now, hours=1))
    assert kept().hold == Hold.LAUNCHPAD
    ban(OPERATOR, ada, later(now, hours=2))
    look(later(now, hours=3), account(), TEAM)
    assert kept().hold == Hold.BAN
    unban(OPERATOR, ada, later(now, hours=4))

    assert kept().hold == Hold.NONE


def test_an_admins_hold_outlasts_everything(look, ada, alias, now):
    Alias.update(hold=Hold.ADMIN).execute()
    for minutes in (0, 10):
        look(later(now, minutes=minutes), account(valid=NO, suspended=YES))
    look(later(now, days=1), account(), TEAM)
    ban(OPERATOR, ada, now)
    unban(OPERATOR, ada, now)

    assert kept().hold == Hold.ADMIN


# -- the hourly pass ------------------------------------------------------------------------------


def test_later_becomes_refused_by_the_pass(ada, alias, now):
    Alias.update(switch=Switch.OFF_LATER).execute()
    keep_all_up(later(now, days=2))
    assert kept().switch == Switch.OFF_LATER
    keep_all_up(later(now, days=3))

    assert kept().switch == Switch.OFF_REFUSED


def test_a_team_that_an_admin_unmaps_counts_at_the_next_pass(ada, alias, domain, now):
    with write():
        store_memberships(ada, {"other": NO}, now)
        store_memberships(ada, {"other": NO}, later(now, hours=6))
    DomainTeam.create(domain=domain, team="other")
    DomainTeam.delete().where(DomainTeam.team == TEAM).execute()
    keep_all_up(later(now, hours=7))

    assert kept().entitlement == Entitlement.GRACE


def test_a_domain_without_teams_takes_nobodys_address_away(ada, alias, domain, now):
    DomainTeam.delete().execute()
    keep_all_up(later(now, hours=7))

    assert kept().entitlement == Entitlement.ENTITLED


def test_the_pass_leaves_the_entitled_and_the_ownerless_alone(ada, alias, domain, now):
    make_alias(None, domain, now, "team")
    assert keep_all_up(later(now, days=300)) == 0
    assert {row.entitlement for row in Alias.select()} == {Entitlement.ENTITLED}


def test_a_pass_with_nothing_to_do_writes_nothing(look, now):
    look(later(now, hours=1))
    look(later(now, hours=7))
    keep_all_up(later(now, days=1))
    before = [list(table.select().tuples()) for table in (Alias, Notice, AuditEntry)]
    assert keep_all_up(later(now, days=2)) == 1

    assert [list(table.select().tuples()) for table in (Alias, Notice, AuditEntry)] == before


# -- at once --------------------------------------------------------------------------------------


def test_many_passes_and_looks_at_once_do_and_tell_everything_once(look, ada, now):
    look(later(now, hours=1))
    moment = later(now, hours=7)
    results = at_once(*[lambda: look(moment)] * 4, *[lambda: keep_all_up(moment)] * 4)

    assert [result for result in results if isinstance(result, Exception)] == []
    assert kept().grace_until == later(moment, days=90)
    assert sorted(told(), key=str) == sorted(both(Event.GRACE_STARTED), key=str)
    assert verbs().count("alias-grace-started") == 1


@pytest.mark.parametrize("attempt", range(6))
def test_a_claim_and_a_withdrawal_at_once_end_as_one_after_the_other(ada, domain, settings, now, attempt):
    with write():
        store_memberships(ada, {TEAM: NO}, later(now, hours=1))
    moment = later(now, hours=7)

    def withdraw():
        with write():
            store_reading(lock_person(ada.id), reading(account()), moment)

    at_once(lambda: claim(ada.id, domain, None, settings.record_secret, moment), withdraw)

    assert Alias.select().count() == 0, "a doubted fact is good for no claim, before the second no or after"


def test_many_people_are_kept_up_in_one_transaction(domain, now):
    people = [
        make_member(now, f"p{n}", created=f"{1900 + n}-01-01", subject=f"https://x/{n}") for n in range(7)
    ]
    for person in people:
        make_alias(person, domain, now, person.launchpad_name)
    with write():
        for person in people[:2]:
            for hours in (1, 7):
                store_account_facts(person, {"coc_signed": NO}, later(now, hours=hours))
    add_domain(OPERATOR, "unrelated.example", ["x"], now)
    with write():
        keep_up(list(Person.select()), later(now, hours=7))

    lost = {alias.local_part for alias in Alias.select().where(Alias.entitlement == Entitlement.GRACE)}
    assert lost == {"p0", "p1"}
