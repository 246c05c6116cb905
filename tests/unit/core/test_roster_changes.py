"""core.roster_changes"""

import pytest

from core.database import write
from core.directories.roster_file import Entry, Roster
from core.facts import Answer
from core.models import Identity
from core.roster_changes import addresses_at_risk, changes, missing_teams, shrunken_teams
from core.routing import Switch
from tests.support.arrange import make_alias, make_domain, make_person

ISSUER = "https://login.proj.example"
MEMBERS = frozenset({"proj-members"})


def entry(name: str, subject: str | None = None, *teams: str, **fields: object) -> Entry:
    return Entry(name, subject or f"sub-{name}", teams=frozenset(teams or MEMBERS), **fields)


ADA, BRUNO = entry("ada"), entry("bruno")
ANOTHER = "ada: this name is now another person's, with another id or address"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ([ADA], [ADA], []),
        ([ADA], [ADA, BRUNO], ["added: bruno (proj-members)"]),
        ([ADA, BRUNO], [ADA], ["gone: bruno (proj-members)"]),
        ([ADA], [ADA, Entry("emil", "5")], ["added: emil (in no team)"]),
        ([ADA], [entry("adele", "sub-ada")], ["ada: is called adele now"]),
        ([ADA], [entry("ada", "sub-ada", "web")], ["ada: joins web", "ada: leaves proj-members"]),
        ([ADA], [entry("ada", "other")], [ANOTHER]),
        (
            [Entry("ada", None, "ada@home.example.net")],
            [Entry("ada", "sub-ada")],
            ["ada: is known by an id now, no longer by an address"],
        ),
        (
            [Entry("ada", None, "ada@home.example.net")],
            [Entry("ada", None, "ada@mail.example.org")],
            [ANOTHER],
        ),
        (
            [ADA],
            [entry("ada", coc_signed=Answer.NO)],
            ["ada: Code of Conduct signed: no (was unknown)"],
        ),
    ],
)  # fmt: skip
def test_what_changes(old, new, said):
    assert list(changes(Roster(tuple(old)), Roster(tuple(new)))) == said


def test_two_people_who_change_names_are_both_told_of():
    old = Roster((entry("ada", "1"), entry("bruno", "2")))
    new = Roster((entry("ada", "2"), entry("bruno", "1")))

    assert sorted(changes(old, new)) == ["ada: is called bruno now", "bruno: is called ada now"]


def test_teams_that_lose_people():
    old = Roster((ADA, BRUNO, entry("emil", "5", "web")))
    new = Roster((ADA, entry("emil", "5", "proj-members")))

    assert list(shrunken_teams(old, new)) == ["proj-members: 1 of 2 are gone", "web: 1 of 1 are gone"]


def test_a_team_that_a_domain_asks_for(db, now):
    make_domain(now, teams=["proj-members", "proj-memebrs"])

    assert missing_teams(Roster((ADA,))) == ["proj-memebrs"]


@pytest.fixture
def ada(db, now):
    """Has ada@proj.example, and signed in by the roster's provider with a proven address."""
    person = make_person(now, "ada", subject="https://elsewhere.example/ada")
    with write():
        Identity.create(issuer=ISSUER, subject="sub-ada", person=person, added_at=now)
        person.sign_in_email, person.sign_in_email_proven = "ada@home.example.net", True
        person.save()
    make_alias(person, make_domain(now), now)
    return person


@pytest.mark.parametrize(
    "new",
    [BRUNO, entry("ada", "sub-ada", "web"), entry("ada", "other"), entry("ada", coc_signed=Answer.NO)],
    ids=["gone", "another team", "another id", "not signed"],
)
def test_an_address_whose_owner_is_no_longer_entitled(ada, new):
    assert addresses_at_risk(Roster((ADA,)), Roster((new,)), ISSUER) == ["ada@proj.example"]
    assert addresses_at_risk(None, Roster((new,)), ISSUER) == ["ada@proj.example"]


@pytest.mark.parametrize(
    "new",
    [ADA, entry("adele", "sub-ada"), Entry("ada", None, "ada@home.example.net", teams=MEMBERS)],
    ids=["nothing", "another name", "by address"],
)
def test_an_address_that_stays(ada, new):
    assert addresses_at_risk(Roster((ADA,)), Roster((new,)), ISSUER) == []


def test_an_address_is_no_proof_unless_the_provider_said_so(ada):
    with write():
        ada.sign_in_email_proven = False
        ada.save()
    new = Roster((Entry("ada", None, "ada@home.example.net", teams=MEMBERS),))

    assert addresses_at_risk(Roster((ADA,)), new, ISSUER) == ["ada@proj.example"]


def test_whoever_was_not_entitled_before_loses_nothing_now(ada):
    assert addresses_at_risk(Roster((BRUNO,)), Roster((BRUNO,)), ISSUER) == []


def test_an_address_given_up_is_not_in_use(ada):
    with write():
        alias = ada.aliases.get()
        alias.switch = Switch.GIVEN_UP
        alias.save()

    assert addresses_at_risk(None, Roster((BRUNO,)), ISSUER) == []
