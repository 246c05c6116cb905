"""core.sync"""

import json
import time

import pytest

from core import sync
from core.aliases import ClaimRefused, claim
from core.database import database, write
from core.directories import AccountReading, Deadline, TeamsReading
from core.facts import Answer
from core.models import AccountFact, Alias, Identity, Membership, Person, TeamReading
from core.standing import facts_of
from core.sync import PersonReading, ask_about, clean_name, store_reading, sync_person, sync_team
from tests.support.arrange import (
    ISSUER,
    TEAM,
    UNKNOWN,
    account,
    claimed_id,
    entitle,
    later,
    make_alias,
    make_domain,
    make_person,
    reading,
)
from tests.support.directory import SaidDirectory
from tests.support.threads import at_once, in_another_thread

ADA = account("ada")
SUBJECT = claimed_id("ada")


@pytest.fixture
def deadline() -> Deadline:
    return Deadline(60)


@pytest.fixture
def domain(db, now):
    return make_domain(now, teams=[TEAM, "other"])


@pytest.fixture
def ada(domain, now) -> Person:
    """ada, of whom nothing is known but her name."""
    return make_person(now)


@pytest.fixture
def directory() -> SaidDirectory:
    """Knows ada as a member of the team."""
    return SaidDirectory({SUBJECT: ADA}, {"ada": (TEAM, "unrelated")}, {TEAM: (ADA,)})


@pytest.fixture
def look(directory, ada, deadline):
    """Ask about ada at a moment."""
    return lambda moment: sync_person(directory, ada.id, deadline, moment)


@pytest.fixture
def look_at_team(directory, deadline, domain):
    return lambda moment, team=TEAM: sync_team(directory, team, deadline, moment)


def stored() -> list[tuple[object, ...]]:
    """Everything that a directory could have changed."""
    tables = (Person, AccountFact, Membership, Alias, TeamReading)
    return [row for table in tables for row in table.select().order_by(table.id).tuples()]


def answers(person: Person) -> dict[str, Answer]:
    facts = facts_of(Person.get_by_id(person.id))
    known = {"valid": facts.valid, "coc_signed": facts.coc_signed} | dict(facts.memberships)
    return {name: fact.answer for name, fact in known.items() if fact}


# -- one person -----------------------------------------------------------------------------------


def test_a_clear_answer_is_stored(look, ada, now):
    assert look(now)

    assert answers(ada) == {
        "valid": Answer.YES,
        "coc_signed": Answer.YES,
        TEAM: Answer.YES,
        "other": Answer.NO,
    }
    assert Person.get().asked_at == now


def test_only_mapped_teams_are_kept(look, ada, now):
    look(now)

    assert {row.team for row in Membership.select()} == {TEAM, "other"}


def test_a_person_is_asked_about_by_identity_and_not_by_name(look, directory, ada, now):
    Person.update(launchpad_name="somebody-else-by-now").execute()
    look(now)

    assert directory.asked == [SUBJECT, "ada"]
    assert Person.get().launchpad_name == "ada"


def test_a_renamed_account_is_followed(look, directory, ada, now):
    directory.accounts[SUBJECT] = account("ada-new")
    directory.teams["ada-new"] = (TEAM,)
    look(now)

    assert Person.get().launchpad_name == "ada-new"


def test_a_person_with_two_identities_is_asked_about_by_the_last(look, directory, ada, now):
    Identity.create(issuer=ISSUER, subject=claimed_id("second"), person=ada, added_at=now)
    directory.accounts[claimed_id("second")] = ADA
    look(now)

    assert directory.asked[0] == claimed_id("second")


def test_a_person_who_was_erased_is_not_asked_about(look, directory, ada, now):
    Person.delete().execute()

    assert look(now)
    assert directory.asked == []


def test_a_person_who_is_erased_during_the_asking_is_not_made_again(look, directory, ada, now):
    directory.on_ask = lambda _: at_once(lambda: Person.delete().execute())

    look(now)
    assert Person.select().count() == 0


def test_one_no_ends_nothing_and_the_second_after_six_hours_does(look, directory, ada, now):
    look(now)
    directory.teams["ada"] = ()
    look(later(now, hours=1))
    assert answers(ada)[TEAM] is Answer.YES
    look(later(now, hours=6))
    assert answers(ada)[TEAM] is Answer.YES
    look(later(now, hours=7))

    assert answers(ada)[TEAM] is Answer.NO


def test_an_identity_without_an_account_ends_a_known_account_by_two_noes(look, directory, ada, now):
    look(now)
    directory.accounts[SUBJECT] = None
    assert look(later(now, hours=1))
    assert answers(ada)["valid"] is Answer.YES
    look(later(now, hours=8))

    assert answers(ada)["valid"] is Answer.NO
    assert Person.get().launchpad_name == "ada"


def test_an_identity_that_never_had_an_account_gets_no_facts(directory, domain, deadline, now):
    person = make_person(now, None)
    directory.accounts[person.identities.get().subject] = None
    sync_person(directory, person.id, deadline, now)

    assert facts_of(Person.get_by_id(person.id)).has_account is Answer.NO
    assert AccountFact.select().count() == 0


def test_an_account_whose_teams_are_hidden_by_its_suspension_is_clear(look, directory, ada, now):
    directory.accounts[SUBJECT] = account(valid=Answer.NO, suspended=Answer.YES)
    directory.teams = {}

    assert look(now)
    assert answers(ada)["valid"] is Answer.NO


def test_flags_that_are_missing_change_nothing(look, directory, ada, now):
    look(now)
    directory.accounts[SUBJECT] = account(valid=Answer.UNKNOWN, coc_signed=Answer.UNKNOWN)
    for hours in (1, 20):
        look(later(now, hours=hours))

    assert answers(ada)["valid"] is answers(ada)["coc_signed"] is Answer.YES


# -- invariant 7: an outage changes nothing -------------------------------------------------------


def test_a_directory_that_is_down_changes_nothing_about_a_person(look, directory, ada, domain, now):
    look(now)
    make_alias(ada, domain, now)
    before = stored()
    directory.down = True
    for hours in range(0, 100, 7):
        assert not look(later(now, hours=hours))

    assert stored() == before


def test_teams_that_cannot_be_read_change_no_membership(look, directory, ada, now):
    look(now)
    before = list(Membership.select().tuples())
    directory.teams = {}
    for hours in range(0, 100, 7):
        assert not look(later(now, hours=hours))

    assert list(Membership.select().tuples()) == before
    assert Person.get().asked_at == now


def test_a_directory_that_is_down_changes_nothing_about_a_team(look_at_team, directory, ada, domain, now):
    look_at_team(now)
    make_alias(ada, domain, now)
    before = stored()
    directory.down = True
    for hours in range(0, 100, 7):
        assert look_at_team(later(now, hours=hours)) == []

    assert stored() == before


def test_a_team_that_is_gone_changes_nothing(look_at_team, directory, ada, now):
    look_at_team(now)
    before = stored()
    directory.people = {}

    assert look_at_team(later(now, days=1)) == []
    assert stored() == before


def test_an_unknown_reading_changes_nothing_but_is_no_trouble(ada, now):
    entitle(ada, now)
    before = stored()
    with write():
        store_reading(ada, UNKNOWN, later(now, days=1))

    assert stored() == before


# -- asking ---------------------------------------------------------------------------------------


def test_the_teams_are_asked_for_under_the_name_that_the_account_has(directory, deadline):
    assert ask_about(directory, SUBJECT, deadline) == PersonReading(
        AccountReading(Answer.YES, ADA), frozenset({TEAM, "unrelated"})
    )


def test_without_an_account_no_teams_are_asked_for(directory, deadline):
    directory.accounts[SUBJECT] = None
    ask_about(directory, SUBJECT, deadline)

    assert directory.asked == [SUBJECT]


@pytest.mark.parametrize(
    ("said", "complete"),
    [
        (reading(ADA, TEAM), True),
        (reading(ADA), True),
        (reading(None), True),
        (UNKNOWN, False),
        (PersonReading(AccountReading(Answer.YES, ADA), TeamsReading(None).teams), False),
    ],
)
def test_a_reading_is_complete_when_all_that_was_asked_was_answered(said, complete):
    assert said.complete is complete


# -- a team ---------------------------------------------------------------------------------------


def test_a_member_who_is_listed_gets_a_yes(look_at_team, ada, now):
    assert look_at_team(now) == []

    assert answers(ada) == {"valid": Answer.YES, "coc_signed": Answer.YES, TEAM: Answer.YES}


def test_members_who_never_signed_in_are_not_stored(look_at_team, directory, ada, now):
    directory.people[TEAM] += (account("grace", "2010-01-01T00:00:00+00:00"),)
    look_at_team(now)

    assert Person.select().count() == 1


def test_an_entry_with_the_same_name_and_another_birth_does_not_count(look_at_team, directory, ada, now):
    directory.people[TEAM] = (account("ada", "2024-05-05T05:05:05.000005+00:00"),)
    look_at_team(now)

    assert answers(ada) == {}


def test_an_entry_with_the_same_birth_and_another_name_does_not_count(look_at_team, directory, ada, now):
    directory.people[TEAM] = (account("ada-new"),)
    look_at_team(now)

    assert answers(ada) == {}


def test_a_member_who_is_not_listed_is_to_be_asked_about_and_keeps_the_yes(look_at_team, directory, ada, now):
    entitle(ada, now)
    before = answers(ada)
    directory.people[TEAM] = (account("ada-new"), account("grace", "2010"))

    assert look_at_team(later(now, days=1)) == [ada.id]
    assert answers(ada) == before


def test_somebody_who_was_no_member_is_not_asked_about(look_at_team, directory, ada, now):
    directory.people[TEAM] = (account("grace", "2010"),)

    assert look_at_team(now) == []


def test_another_team_is_left_alone(look_at_team, ada, now):
    entitle(ada, now, "other")
    look_at_team(later(now, days=1))

    assert facts_of(ada).memberships["other"].read_at == now


def test_a_listed_suspended_member_gets_a_no_of_the_account(look_at_team, directory, ada, now):
    entitle(ada, now)
    directory.people[TEAM] = (account(valid=Answer.NO),)
    for hours in (1, 8):
        look_at_team(later(now, hours=hours))

    assert answers(ada)["valid"] is Answer.NO
    assert answers(ada)[TEAM] is Answer.YES


# -- the brake ------------------------------------------------------------------------------------


def crowd(*numbers: int) -> tuple:
    return tuple(account(f"person{n}", f"{2000 + n}-01-01") for n in numbers)


def held() -> list[str | None]:
    return [row.held_because for row in TeamReading.select().order_by(TeamReading.id)]


@pytest.mark.parametrize(
    ("before", "lost", "is_held"),
    [
        (100, 10, False),
        (100, 11, True),
        (30, 3, False),
        (29, 3, True),
        (10, 2, False),
        (10, 3, True),
        (3, 2, False),
        (70, 7, False),
        (1000, 100, False),
        (1000, 101, True),
    ],
)
def test_a_reading_is_held_when_more_than_a_tenth_and_three_are_gone(
    look_at_team, directory, now, before, lost, is_held
):
    directory.people[TEAM] = crowd(*range(before))
    look_at_team(now)
    directory.people[TEAM] = crowd(*range(lost, before))
    look_at_team(later(now, hours=6))

    assert (held()[-1] is not None) is is_held


def test_an_empty_reading_is_held(look_at_team, directory, ada, now):
    entitle(ada, now)
    directory.people[TEAM] = crowd(1, 2)
    look_at_team(now)
    directory.people[TEAM] = ()

    assert look_at_team(later(now, hours=6)) == []
    assert held() == [None, "empty"]


def test_the_very_first_reading_is_held_when_it_is_empty(look_at_team, directory, now):
    directory.people[TEAM] = ()
    look_at_team(now)

    assert held() == ["empty"]


def test_a_held_reading_changes_nobody_and_asks_about_nobody(look_at_team, directory, ada, now):
    entitle(ada, now)
    directory.people[TEAM] = (ADA, *crowd(*range(9)))
    look_at_team(now)
    before = answers(ada)
    directory.people[TEAM] = crowd(0)
    for hours in range(6, 60, 6):
        assert look_at_team(later(now, hours=hours)) == []

    assert answers(ada) == before
    assert facts_of(ada).memberships[TEAM].first_no_at is None


def test_a_held_reading_is_measured_against_the_last_accepted_one(look_at_team, directory, now):
    directory.people[TEAM] = crowd(*range(100))
    look_at_team(now)
    directory.people[TEAM] = crowd(*range(60))
    for hours in range(6, 30, 6):
        look_at_team(later(now, hours=hours))

    assert held()[-1] == "40 of 100 members are gone"


def test_a_team_that_comes_back_is_accepted(look_at_team, directory, ada, now):
    directory.people[TEAM] = (ADA, *crowd(*range(99)))
    look_at_team(now)
    directory.people[TEAM] = crowd(1)
    look_at_team(later(now, hours=6))
    directory.people[TEAM] = (ADA, *crowd(*range(98)))
    look_at_team(later(now, hours=12))

    assert held()[-1] is None
    assert facts_of(ada).memberships[TEAM].read_at == later(now, hours=12)


def test_a_rename_counts_as_gone_and_come(look_at_team, directory, now):
    directory.people[TEAM] = crowd(*range(20))
    look_at_team(now)
    directory.people[TEAM] = crowd(*range(3, 20), 97, 98, 99)
    look_at_team(later(now, hours=6))

    assert held()[-1] == "3 of 20 members are gone"


def test_two_readings_of_a_team_are_kept(look_at_team, directory, now):
    for day in range(5):
        directory.people[TEAM] = crowd(*range(day + 1))
        look_at_team(later(now, days=day))

    rows = list(TeamReading.select().order_by(TeamReading.id))
    assert [row.count for row in rows] == [4, 5]
    assert json.loads(rows[1].names) == [f"person{n}" for n in range(5)]
    assert rows[1].read_at == later(now, days=4)


def test_while_readings_are_held_the_accepted_one_is_kept(look_at_team, directory, now):
    directory.people[TEAM] = crowd(*range(50))
    look_at_team(now)
    directory.people[TEAM] = crowd(1)
    for day in range(1, 5):
        look_at_team(later(now, days=day))

    assert held() == [None, "49 of 50 members are gone"]


def test_readings_of_other_teams_are_left_alone(look_at_team, directory, now):
    directory.people["other"] = crowd(1)
    look_at_team(now, "other")
    for day in range(3):
        look_at_team(later(now, days=day))

    assert TeamReading.select().where(TeamReading.team == "other").count() == 1


# -- at once, and many ----------------------------------------------------------------------------


def test_two_teams_with_the_same_people_are_read_at_once(directory, domain, deadline, now):
    people = [make_person(now, f"person{n}", created=f"{2000 + n}") for n in range(60)]
    accounts = [account(p.launchpad_name, p.account_created) for p in people]
    directory.people = {TEAM: tuple(accounts), "other": (*accounts[::-1], *crowd(*range(100, 400)))}
    jobs = [lambda t=team: sync_team(directory, t, deadline, now) for team in (TEAM, "other")] * 2

    assert at_once(*jobs) == [[], [], [], []]
    assert Membership.select().count() == 120


def test_a_person_is_read_by_many_at_once(look, ada, now):
    assert at_once(*[lambda: look(now)] * 6) == [True] * 6
    assert Membership.select().count() == AccountFact.select().count() == 2


def test_a_team_and_its_member_are_read_at_once(look, look_at_team, ada, now):
    results = at_once(*[lambda: look(now), lambda: look_at_team(now)] * 3)

    assert [result for result in results if isinstance(result, Exception)] == []


def test_a_ban_during_a_reading_holds(look, ada, now, monkeypatch):
    store, others = sync.store_reading, []

    def store_while_an_admin_bans(person, *rest):
        ban = Person.update(banned_at=now).where(Person.id == ada.id)
        others.append(in_another_thread(ban.execute, wait=0.3))
        store(person, *rest)

    monkeypatch.setattr(sync, "store_reading", store_while_an_admin_bans)
    look(now)
    others[0].join()

    assert Person.get().banned_at == now


def test_no_transaction_is_open_while_the_directory_is_asked(look, look_at_team, directory, ada, now):
    seen = []
    directory.on_ask = lambda _: seen.append(database.in_transaction())
    look(now)
    look_at_team(now)

    assert seen == [False] * 3


def test_others_can_write_while_a_big_team_is_stored(domain, directory, deadline, now):
    """B58: whoever claims meanwhile waits for a part of the team at most, however big it is."""
    members = 600
    rows = [{"launchpad_name": f"p{n}", "account_created": str(n), "created_at": now} for n in range(members)]
    with write():
        Person.insert_many(rows).execute()
    directory.people[TEAM] = tuple(account(f"p{n}", str(n)) for n in range(members))
    waits: list[float] = []
    took: list[float] = []

    def read():
        began = time.monotonic()
        sync_team(directory, TEAM, deadline, now)
        took.append(time.monotonic() - began)

    def write_on_and_on():
        while not took:
            began = time.monotonic()
            with write():
                Person.update(language="ja").where(Person.launchpad_name == "p0").execute()
            waits.append(time.monotonic() - began)
            time.sleep(0.01)

    assert at_once(read, write_on_and_on) == [None, None]
    assert max(waits) < took[0] / 2


def test_a_claim_during_a_withdrawal_leaves_no_claim_on_old_facts(
    look, directory, ada, domain, settings, now
):
    entitle(ada, now)
    directory.teams["ada"] = ()
    result, looked = at_once(
        lambda: claim(ada.id, domain, "new@work.example.net", settings.record_secret, now), lambda: look(now)
    )

    assert looked is True
    assert isinstance(result, Alias | ClaimRefused)


# -- names to show --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Ada Bell", "Ada Bell"),
        ("  Ada \t Bell\n", "Ada Bell"),
        ("Ada\r\nBcc: x", "Ada Bcc: x"),
        ("鈴木\u3000純", "鈴木 純"),
        ("Ada\u00a0Bell", "Ada Bell"),
        ("\u202eadA\u202c", "adA"),
        ("Ada\x00\x1b[31m", "Ada [31m"),
        ("\ud800", ""),
        ("x" * 500, "x" * 200),
        ("", ""),
        ("<b>Ada</b>", "<b>Ada</b>"),
    ],
)
def test_a_display_name_is_made_fit_to_show(text, clean):
    assert clean_name(text) == clean
