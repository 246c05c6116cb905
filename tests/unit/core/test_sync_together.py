"""Two at once, be it two syncs or a sync and a claim: what is left is what one after the other leaves."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pytest

from core.aliases import ClaimRefused, claim
from core.directories import Deadline
from core.models import AccountFact, Alias, AuditEntry, Domain, Membership, Notice, Person
from core.settings import Settings
from core.sync import sync_people, sync_person
from core.team_sync import sync_team
from tests.support.arrange import account, claimed_id, later, make_alias, make_domain, make_member
from tests.support.directory import SaidDirectory
from tests.support.threads import at_once

TIMES = 4  # chance decides who comes first


@dataclass
class Case:
    """Somebody of their own, with a domain, a team and a directory of their own."""

    number: int
    person: Person
    domain: Domain
    directory: SaidDirectory
    settings: Settings
    now: datetime

    @property
    def team(self) -> str:
        return f"team{self.number}"

    def claim(self) -> None:
        try:
            claim(self.person.id, self.domain, None, self.settings.record_secret, self.now)
        except ClaimRefused:
            return

    def sync_team(self) -> None:
        ids = sync_team(self.directory, self.team, Deadline(60), self.now)
        sync_people(self.directory, ids, Deadline(60), self.now)

    def sync_person(self) -> None:
        sync_person(self.directory, self.person.id, Deadline(60), self.now)

    def left(self) -> list[str]:
        """Return every row about this person, with neither numbers of rows nor moments."""
        mine = self.person.id
        alias_ids = {alias.id for alias in Alias.select().where(Alias.person == mine)}
        rows = [
            *[("fact", f.fact, f.holds, f.first_no_at) for f in AccountFact.select() if f.person_id == mine],
            *[
                ("member", m.holds, m.first_no_at)
                for m in Membership.select()
                if m.person_id == mine and m.team == self.team  # the teams of other cases are mapped, too
            ],
            *[
                ("alias", a.entitlement, a.grace_until, a.grace_told, a.switch, a.hold)
                for a in Alias.select()
                if a.person_id == mine
            ],
            *[("notice", n.kind, n.to_sign_in) for n in Notice.select() if n.person_id == mine],
            *[
                ("record", e.actor.replace(str(mine), "N"), e.verb)
                for e in AuditEntry.select()
                if json.loads(e.subject_ids).get("alias") in alias_ids
            ],
        ]
        return sorted(map(repr, rows))


@pytest.fixture
def make_case(db: object, settings: Settings, now: datetime) -> Callable[..., Case]:
    """Make one case after the other; they know nothing of each other."""
    number = 0

    def make(*, stays: bool = True, doubted: bool = False, has_one: bool = False, **rules: bool) -> Case:
        nonlocal number
        number += 1
        name, team, created = f"ada{number}", f"team{number}", f"{1900 + number}-01-01"
        begun = later(now, hours=-8)
        domain = make_domain(begun, f"domain{number}.example", [team], **rules)
        person = make_member(begun, name, created=created)
        facts = {"holds": True, "since": begun, "read_at": begun, "first_no_at": begun if doubted else None}
        Membership.update({"team": team, **facts}).where(Membership.person == person).execute()
        if has_one:
            make_alias(person, domain, begun, name, recipients=[person.recipients.get()])
        of = account(name, str(person.account_created))
        others = [account(f"other{n}", f"18{n:02}") for n in range(30)]
        directory = SaidDirectory(
            {claimed_id(name): of},
            {name: (team,) if stays else ()},
            {team: (*others, of) if stays else tuple(others)},
        )
        return Case(number, person, domain, directory, settings, now)

    return make


CASES = {
    "a sync that confirms, and a claim": (Case.sync_team, Case.claim, {}),
    "a sync that finds them gone, and a claim": (Case.sync_team, Case.claim, {"stays": False}),
    "the second no, and a claim": (Case.sync_team, Case.claim, {"stays": False, "doubted": True}),
    "the end of a doubt, and a claim": (Case.sync_team, Case.claim, {"doubted": True}),
    "a sync that gives an address, and a claim": (Case.sync_person, Case.claim, {"automatic": True}),
    "two looks at a team, the second no": (
        *(Case.sync_team, Case.sync_team),
        {"stays": False, "doubted": True, "has_one": True},
    ),
    "a look at a team and one at a person, the second no": (
        *(Case.sync_team, Case.sync_person),
        {"stays": False, "doubted": True, "has_one": True},
    ),
    "two looks at a person, the second no": (
        *(Case.sync_person, Case.sync_person),
        {"stays": False, "doubted": True, "has_one": True},
    ),
}


@pytest.mark.parametrize(("one", "other", "how"), CASES.values(), ids=CASES.keys())
def test_at_once_is_as_one_after_the_other(make_case, one, other, how):
    in_turn = []
    for first, second in ((one, other), (other, one)):
        case = make_case(**how)
        first(case)
        second(case)
        in_turn.append(case.left())

    for _ in range(TIMES):
        case = make_case(**how)
        assert at_once(lambda case=case: one(case), lambda case=case: other(case)) == [None, None]
        assert case.left() in in_turn


def test_the_cases_do_something(make_case):
    """What is compared above is not always the same nothing."""
    claimed = make_case()
    claimed.claim()
    ended = make_case(stays=False, doubted=True, has_one=True)
    ended.sync_team()
    given = make_case(automatic=True)
    given.sync_person()

    assert "('record', 'person:N', 'alias-claimed')" in claimed.left()
    assert sum("grace-started" in row for row in ended.left()) == 2, ended.left()
    assert "('record', 'job:provisioning', 'alias-provided')" in given.left()
