"""core.sync"""

import pytest
from peewee import OperationalError
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from core import sync
from core.aliases import ClaimRefused, claim
from core.database import database, write
from core.directories import AccountReading, Deadline, TeamsReading
from core.facts import Answer
from core.models import AccountFact, Alias, Identity, Membership, Person, Problem, TeamReading
from core.routing import Switch
from core.standing import facts_of, store_account_facts, store_memberships
from core.sync import (
    PersonReading,
    ask_about,
    clean_name,
    people_to_ask,
    store_reading,
    sync_people,
    sync_person,
)
from core.team_sync import sync_team
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
    make_member,
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


# -- at once, and many ----------------------------------------------------------------------------


def test_a_person_is_read_by_many_at_once(look, ada, now):
    assert at_once(*[lambda: look(now)] * 6) == [True] * 6
    assert (Membership.select().count(), AccountFact.select().count()) == (2, 3)


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


# -- several identities ---------------------------------------------------------------------------


def test_when_the_last_identity_has_no_account_any_more_the_one_before_counts(look, directory, ada, now):
    Identity.create(issuer=ISSUER, subject=claimed_id("second"), person=ada, added_at=now)
    directory.accounts[claimed_id("second")] = None
    look(now)

    assert answers(ada)["valid"] is Answer.YES


def test_when_the_last_identity_is_unclear_nothing_is_said(look, directory, ada, now):
    Identity.create(issuer=ISSUER, subject=claimed_id("second"), person=ada, added_at=now)

    assert not look(now)
    assert answers(ada) == {}


# -- many, one by one -----------------------------------------------------------------------------


def test_many_are_asked_at_once_and_the_unclear_ones_named(directory, domain, deadline, now):
    people = [
        make_person(now, f"p{n}", created=f"{1900 + n}-01-01", subject=f"https://x/{n}") for n in range(30)
    ]
    for number, person in enumerate(people[:25]):
        of = account(person.launchpad_name, person.account_created)
        directory.accounts[f"https://x/{number}"], directory.teams[of.name] = of, (TEAM,)
    ids = [person.id for person in people]

    assert sync_people(directory, ids, deadline, now) == ids[25:]
    assert Membership.select().where(Membership.holds == True).count() == 25  # noqa: E712 -- SQL
    assert [p.about for p in Problem.select().order_by(Problem.about)] == sorted(
        f"person {i}" for i in ids[25:]
    )


def test_one_who_breaks_stops_no_other(directory, ada, domain, deadline, now, monkeypatch):
    grace = make_person(now, "grace", created="2010-01-01")
    directory.accounts[claimed_id("grace")] = account("grace", grace.account_created)
    directory.teams["grace"] = (TEAM,)
    store = sync.store_reading

    def busy(person, *rest):
        if person.id == ada.id:
            raise OperationalError("database is locked")
        store(person, *rest)

    monkeypatch.setattr(sync, "store_reading", busy)
    with bound_contextvars(job="sync_people"), capture_logs([merge_contextvars]) as lines:
        assert sync_people(directory, [ada.id, grace.id], deadline, now) == [ada.id]

    assert answers(grace)[TEAM] is Answer.YES
    assert lines == [
        {
            "event": "database busy",
            "log_level": "warning",
            "tried": "sync-person",
            "person": ada.id,
            "launchpad_name": "ada",
            "job": "sync_people",
            "error": "OperationalError",
        }
    ]


def test_what_went_wrong_is_logged_with_the_person_and_no_address(look, directory, ada, now):
    make_member(now, "grace", created="2010-01-01")
    directory.down = True
    with capture_logs() as lines:
        look(now)

    assert lines == [
        {
            "event": "launchpad unclear",
            "log_level": "warning",
            "tried": "sync-person",
            "person": ada.id,
            "launchpad_name": "ada",
            "why": "status 503",
        }
    ]


@pytest.fixture
def owner(domain, now) -> Person:
    """grace, a member with an address, of whom everything was heard just now."""
    person = make_member(now, "grace", created="2010-01-01")
    make_alias(person, domain, now, "grace")
    return person


@pytest.mark.parametrize(("hours", "due"), [(1, False), (19, False), (20, True), (900, True)])
def test_owners_of_addresses_are_asked_about_once_a_day(owner, now, hours, due):
    assert people_to_ask(later(now, hours=hours)) == ([owner.id] if due else [])


@pytest.mark.parametrize(
    ("fact", "minutes", "due"),
    [
        ("valid", 359, False),
        ("valid", 360, True),
        ("coc_signed", 360, True),
        ("not_suspended", 9, False),
        ("not_suspended", 10, True),
    ],
)
def test_owners_in_doubt_are_asked_again_when_a_second_no_would_count(owner, now, fact, minutes, due):
    with write():
        store_account_facts(owner, {fact: Answer.YES}, now)
        store_account_facts(owner, {fact: Answer.NO}, now)

    assert people_to_ask(later(now, minutes=minutes)) == ([owner.id] if due else [])


def test_owners_whose_membership_is_in_doubt_are_asked_again(owner, now):
    with write():
        store_memberships(owner, {TEAM: Answer.NO}, now)

    assert people_to_ask(later(now, hours=5)) == []
    assert people_to_ask(later(now, hours=6)) == [owner.id]


def test_whoever_waits_for_an_admin_is_not_asked_all_the_time(owner, now):
    AccountFact.update(first_no_at=now, held_at=now).where(AccountFact.fact == "valid").execute()

    assert people_to_ask(later(now, hours=7)) == []


def test_nobody_without_an_address_is_asked_about_by_the_schedule(owner, domain, now):
    make_member(now, "ada")
    make_alias(None, domain, now, "team")
    Alias.update(switch=Switch.GIVEN_UP).execute()

    assert people_to_ask(later(now, days=9)) == []


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
