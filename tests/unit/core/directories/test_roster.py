"""core.directories.roster"""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from core.audit import OPERATOR
from core.directories import Account, AccountReading, Deadline, TeamsReading
from core.directories.configured import make_directory, make_name_directory
from core.directories.launchpad import Launchpad
from core.directories.launchpad_names import LaunchpadNames
from core.directories.roster import RosterDirectory, account_mark
from core.facts import Answer
from core.held import confirm_accounts, confirm_team, held_accounts_now, held_teams_now
from core.models import Identity, Person
from core.people import SignIn, SignInRefused, ban, sign_in
from core.standing import decision_for, facts_of
from core.sync import ask_about, sync_people, sync_person
from core.team_sync import sync_team
from tests.support.arrange import make_domain

ISSUER = "https://login.proj.example"
DEADLINE = Deadline(60)
ADA = '[[people]]\nid = "1001"\nname = "ada"\nteams = ["proj-members"]\ncode_of_conduct = true\n'
BRUNO = '[[people]]\nemail = "bruno@home.example.net"\nname = "bruno"\nteams = ["proj-members"]\n'
EMIL = '[[people]]\nid = "1005"\nname = "emil"\n'


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "roster.toml"
    path.write_text(ADA + BRUNO + EMIL)
    return path


@pytest.fixture
def directory(file) -> RosterDirectory:
    return RosterDirectory(file, ISSUER)


def replace(file: Path, text: str) -> None:
    """Put a new file in place as an operator should."""
    draft = file.with_suffix(".new")
    draft.write_text(text)
    draft.replace(file)


# -- questions ------------------------------------------------------------------------------------


def test_a_person_is_found_by_subject(directory):
    reading = directory.resolve("1001", DEADLINE, issuer=ISSUER)

    assert reading.answer is Answer.YES
    assert reading.account.name == "ada"
    assert reading.account.valid is Answer.YES
    assert reading.account.coc_signed is Answer.YES
    assert reading.account.suspended is Answer.NO


def test_a_person_is_found_by_a_proven_address(directory):
    reading = directory.resolve("77", DEADLINE, issuer=ISSUER, email="Bruno@HOME.example.net")

    assert reading.account.name == "bruno"
    assert reading.account.coc_signed is Answer.UNKNOWN


def test_a_name_leads_to_its_subject_where_the_file_has_one(directory, file):
    found = directory.identify("ada", DEADLINE)

    assert (found.answer, found.issuer, found.subject, found.born) == (Answer.YES, ISSUER, "1001", None)
    assert directory.identify("bruno", DEADLINE).answer is Answer.NO  # known by an address alone
    assert directory.identify("nobody", DEADLINE).answer is Answer.NO
    file.unlink()
    assert directory.identify("ada", DEADLINE).answer is Answer.UNKNOWN


def test_the_settings_choose_what_finds_names(settings, file):
    assert isinstance(make_name_directory(settings), LaunchpadNames)
    roster = settings.model_copy(update={"directory": "roster", "roster_file": file})
    assert isinstance(make_name_directory(roster), RosterDirectory)


def test_who_is_not_in_it_has_clearly_no_account(directory):
    assert directory.resolve("77", DEADLINE, issuer=ISSUER) == AccountReading(Answer.NO)
    assert directory.resolve("77", DEADLINE, issuer=ISSUER, email="x@home.example.net").answer is Answer.NO


def test_a_subject_of_another_provider_says_nothing(directory):
    """`1001` may be somebody else there."""
    for issuer in ("", "https://login.ubuntu.com/", ISSUER + "/"):
        reading = directory.resolve("1001", DEADLINE, issuer=issuer, email="bruno@home.example.net")
        assert reading.answer is Answer.UNKNOWN


def test_teams(directory):
    assert directory.teams_of("ada", DEADLINE) == TeamsReading(frozenset({"proj-members"}))
    assert directory.teams_of("emil", DEADLINE) == TeamsReading(frozenset())


def test_members_speak_for_those_whose_subject_is_known(directory):
    ada, bruno = directory.members("proj-members", DEADLINE).members

    assert ada == directory.resolve("1001", DEADLINE, issuer=ISSUER).account
    assert (bruno.name, bruno.created) == ("bruno", "")  # no account has that mark


def test_a_team_that_nobody_is_in_is_empty_and_so_held(directory):
    assert directory.members("proj-memebrs", DEADLINE).members == ()


def test_an_account_is_of_one_identity(directory):
    by_one = directory.resolve("77", DEADLINE, issuer=ISSUER, email="bruno@home.example.net").account
    by_other = directory.resolve("78", DEADLINE, issuer=ISSUER, email="bruno@home.example.net").account

    assert by_one.name == by_other.name
    assert by_one.created != by_other.created
    assert len(by_one.created) <= 40


def test_the_same_person_by_id_later_is_the_same_account(directory, file):
    before = directory.resolve("77", DEADLINE, issuer=ISSUER, email="bruno@home.example.net").account
    replace(file, ADA + '[[people]]\nid = "77"\nname = "bruno"\n')

    assert directory.resolve("77", DEADLINE, issuer=ISSUER).account.created == before.created


# -- the file changes -----------------------------------------------------------------------------


def test_a_new_file_counts_at_once(directory, file):
    directory.resolve("1001", DEADLINE, issuer=ISSUER)
    replace(file, BRUNO)

    assert directory.resolve("1001", DEADLINE, issuer=ISSUER).answer is Answer.NO


def test_an_unchanged_file_is_not_read_again(directory, file):
    first = directory.members("proj-members", DEADLINE)
    stamp = file.stat()
    file.write_text("#" * stamp.st_size)  # another text behind the same size, time and inode
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    assert directory.members("proj-members", DEADLINE) == first


@pytest.mark.parametrize(
    "content", ["", "\n", ADA[:50], "people = []\n", "\x00\n", ADA + ADA], ids=lambda text: repr(text[:12])
)
def test_a_file_that_says_nothing_is_unknown_to_every_question(directory, file, content):
    directory.resolve("1001", DEADLINE, issuer=ISSUER)
    file.write_text(content)

    account = directory.resolve("1001", DEADLINE, issuer=ISSUER)
    assert account.answer is Answer.UNKNOWN
    assert account.why
    assert directory.teams_of("ada", DEADLINE).teams is None
    assert directory.members("proj-members", DEADLINE).members is None


def test_a_file_that_goes_and_comes_back(directory, file):
    directory.resolve("1001", DEADLINE, issuer=ISSUER)
    file.unlink()
    gone = directory.resolve("1001", DEADLINE, issuer=ISSUER)
    file.write_text(ADA)

    assert gone == AccountReading(Answer.UNKNOWN, why="The roster file is not there.")
    assert directory.resolve("1001", DEADLINE, issuer=ISSUER).answer is Answer.YES


# -- people ---------------------------------------------------------------------------------------


@pytest.fixture
def domain(db, now):
    return make_domain(now)


@pytest.fixture
def come_in(directory, domain, now):
    """Lets an identity sign in as the portal does; returns its person."""

    def come_in(subject: str, email: str | None = None, proven: bool = True, issuer: str = ISSUER) -> Person:
        arrival = SignIn(issuer, subject, email, proven and email is not None)
        given = email if proven else None
        reading = ask_about(directory, subject, DEADLINE, issuer=issuer, email=given)
        return sign_in(arrival, reading, now)[0]

    return come_in


def test_a_member_may_claim(come_in, domain, now):
    assert decision_for(come_in("1001"), domain, now).claimable


def test_a_member_by_address_stays_one_at_the_next_sync(come_in, directory, domain, now):
    domain.coc_required = False
    domain.save()
    bruno = come_in("77", "bruno@home.example.net")
    assert decision_for(bruno, domain, now).claimable

    assert sync_person(directory, bruno.id, DEADLINE, now + timedelta(hours=1))

    membership = facts_of(bruno).memberships["proj-members"]
    assert membership.holds
    assert membership.read_at == now + timedelta(hours=1)


def test_an_address_that_is_not_proven_is_none(come_in, domain, now):
    assert (
        decision_for(come_in("77", "bruno@home.example.net", proven=False), domain, now).answer is Answer.NO
    )


def test_whoever_gets_an_address_later_is_somebody_else(come_in):
    first = come_in("77", "bruno@home.example.net")
    second = come_in("78", "bruno@home.example.net")

    assert second.id != first.id
    assert (first.launchpad_name, second.launchpad_name) == ("bruno", "bruno")


def test_the_same_subject_at_another_provider_is_somebody_else(come_in):
    ada = come_in("1001")
    other = come_in("1001", issuer="https://elsewhere.example")

    assert other.id != ada.id
    assert other.launchpad_name is None


def test_a_banned_identity_stays_out_under_another_name(come_in, file, now):
    ada = come_in("1001")
    ban(OPERATOR, ada, now)
    replace(file, ADA.replace('"ada"', '"adele"'))

    with pytest.raises(SignInRefused):
        come_in("1001")
    assert Identity.select().count() == 1


def test_an_unreadable_file_takes_nothing_from_anybody(come_in, directory, file, domain, now):
    ada = come_in("1001")
    file.write_text(ADA[:20])

    for hours in (1, 8, 15):
        assert not sync_person(directory, ada.id, DEADLINE, now + timedelta(hours=hours))

    assert decision_for(ada, domain, now).claimable


def test_who_is_taken_out_is_out_after_two_looks(come_in, directory, file, domain, now):
    ada = come_in("1001")
    replace(file, BRUNO)

    answers = []
    for hours in (1, 8):
        then = now + timedelta(hours=hours)
        assert sync_person(directory, ada.id, DEADLINE, then)
        answers.append(decision_for(ada, domain, then).answer)

    assert answers == [Answer.YES, Answer.NO]


def crowd(numbers: range) -> str:
    """Return a file with so many members."""
    return "".join(
        f'[[people]]\nid = "{n}"\nname = "p{n}"\nteams = ["proj-members"]\ncode_of_conduct = true\n'
        for n in numbers
    )


def test_when_many_are_taken_out_at_once_an_admin_decides(come_in, directory, file, domain, now):
    replace(file, crowd(range(10)))
    people = [come_in(str(n)) for n in range(10)]
    sync_team(directory, "proj-members", DEADLINE, now)
    replace(file, crowd(range(4, 10)))

    def look(hours: int) -> list[Answer]:
        then = now + timedelta(hours=hours)
        sync_team(directory, "proj-members", DEADLINE, then)
        sync_people(directory, [person.id for person in people], DEADLINE, then)
        return [decision_for(person, domain, then).answer for person in people]

    for hours in (1, 8, 15):
        assert Answer.NO not in look(hours)

    (team,), accounts = held_teams_now(), held_accounts_now()
    assert {loss.person.launchpad_name for loss in team.losses} == {"p0", "p1", "p2", "p3"}
    assert {held.loss.person.launchpad_name for held in accounts} == {"p0", "p1", "p2", "p3"}
    confirm_team(OPERATOR, team.reading_id, now)
    confirm_accounts(OPERATOR, [held.fact_id for held in accounts], now)
    assert look(16) == [Answer.NO] * 4 + [Answer.YES] * 6


def test_a_display_name_is_cleaned(come_in, file):
    replace(file, '[[people]]\nid = "1001"\nname = "ada"\ndisplay_name = "Ada\\u202e\\u0007 Bell"\n')

    assert come_in("1001").display_name == "Ada Bell"


# -- settings -------------------------------------------------------------------------------------


def test_the_settings_choose_the_directory(settings, file):
    assert isinstance(make_directory(settings), Launchpad)

    chosen = settings.model_copy(update={"directory": "roster", "roster_file": file, "oidc_issuer": ISSUER})
    found = make_directory(chosen).resolve("1001", DEADLINE, issuer=ISSUER)
    assert found.account == Account(
        "ada", account_mark(ISSUER, "1001"), "", Answer.YES, Answer.YES, Answer.NO
    )


def test_a_roster_of_claimed_ids_goes_with_ubuntu_one(settings, file):
    replace(file, ADA.replace("1001", "https://login.ubuntu.com/+id/AbC"))
    chosen = settings.model_copy(update={"directory": "roster", "roster_file": file})

    reading = make_directory(chosen).resolve(
        "https://login.ubuntu.com/+id/AbC", DEADLINE, issuer=settings.openid_provider_url
    )
    assert reading.account.name == "ada"
