"""Many people, jobs and admins at once on both databases: what must hold after it (B58, B59)"""

import random
from collections.abc import Callable
from datetime import timedelta

import pytest

from core.aliases import ClaimRefused, claim, give_up, switch
from core.audit import OPERATOR, first_fault
from core.database import utc_now
from core.directories import Deadline
from core.models import (
    Alias,
    AliasRecipient,
    Domain,
    Identity,
    Membership,
    Notice,
    Person,
    Recipient,
    Session,
)
from core.people import SignIn, SignInRefused, ban, sign_in, unban
from core.recipients import (
    MAX_RECIPIENTS,
    ProofRefused,
    RecipientProblem,
    add_recipient,
    move,
    proof_token,
    remove_recipient,
    resend_proof,
    verify_recipient,
)
from core.routing import Hold, Switch
from core.sync import sync_person
from core.team_sync import sync_team
from tests.support.arrange import ISSUER, TEAM, account, claimed_id, make_domain, make_member, reading
from tests.support.directory import SaidDirectory
from tests.support.threads import at_once

PEOPLE, THREADS, STEPS = 6, 6, 60
EXPECTED = (ClaimRefused, RecipientProblem, ProofRefused, SignInRefused, LookupError, Recipient.DoesNotExist)
"""How a use case says no."""


class Somebody:
    """Does at random what people, jobs and admins do; each step is one use case."""

    def __init__(self, seed: int, settings, directory: SaidDirectory) -> None:
        self._random = random.Random(seed)
        self._settings = settings
        self._directory = directory
        self.unexpected: list[Exception] = []

    def act(self) -> None:
        steps: list[Callable[[Person], object]] = [
            *(
                self.claim,
                self.switch,
                self.give_up,
                self.add,
                self.remove,
                self.move,
                self.resend,
                self.prove,
            ),
            *(self.sign_in, self.ban, self.unban, self.sync_person, self.sync_team),
        ]
        for _ in range(STEPS):
            try:
                self._random.choice(steps)(self._person())
            except EXPECTED:
                pass
            except Exception as error:
                self.unexpected.append(error)

    def _person(self) -> Person:
        return self._random.choice(list(Person.select().order_by(Person.id)))

    def _alias(self, person: Person) -> int:
        return self._random.choice([alias.id for alias in person.aliases] or [0])

    def _recipient(self, person: Person) -> int:
        return self._random.choice([recipient.id for recipient in person.recipients] or [0])

    def claim(self, person: Person) -> None:
        domain = self._random.choice(list(Domain.select()))
        claim(person.id, domain, "typed@home.example.net", self._settings.record_secret, utc_now())

    def switch(self, person: Person) -> None:
        to = self._random.choice([Switch.ON, Switch.OFF_LATER, Switch.OFF_REFUSED])
        switch(person.id, self._alias(person), to, utc_now())

    def give_up(self, person: Person) -> None:
        give_up(person.id, self._alias(person), utc_now())

    def add(self, person: Person) -> None:
        number = self._random.randrange(8)
        add_recipient(person.id, self._alias(person), f"r{number}@home.example.net", utc_now())

    def remove(self, person: Person) -> None:
        remove_recipient(person.id, self._alias(person), self._recipient(person), utc_now())

    def move(self, person: Person) -> None:
        move(person.id, self._alias(person), self._recipient(person), -1, utc_now())

    def resend(self, person: Person) -> None:
        resend_proof(person.id, self._recipient(person), utc_now() + timedelta(hours=1))

    def prove(self, person: Person) -> None:
        recipient = Recipient.get_by_id(self._recipient(person))
        key = self._settings.secret_key
        verify_recipient(proof_token(recipient, key), person.id, key, utc_now())

    def sign_in(self, person: Person) -> None:
        arrival = SignIn(
            ISSUER, claimed_id(person.launchpad_name), f"{person.launchpad_name}@home.example.net", True
        )
        sign_in(arrival, reading(account(person.launchpad_name, person.account_created), TEAM), utc_now())

    def ban(self, person: Person) -> None:
        ban(OPERATOR, person, utc_now())

    def unban(self, person: Person) -> None:
        unban(OPERATOR, person, utc_now())

    def sync_person(self, person: Person) -> None:
        sync_person(self._directory, person.id, Deadline(10), utc_now())

    def sync_team(self, _: Person) -> None:
        sync_team(self._directory, TEAM, Deadline(10), utc_now())


@pytest.fixture
def crowd(db, settings) -> list[Somebody]:
    now = utc_now()
    for name in ("proj.example", "other.example"):
        make_domain(now, name)
    names = [f"person{number}" for number in range(PEOPLE)]
    people = {name: make_member(now, name, created=f"{2000 + n}-01-01") for n, name in enumerate(names)}
    accounts = {name: account(name, person.account_created) for name, person in people.items()}
    directory = SaidDirectory(
        {claimed_id(name): one for name, one in accounts.items()},
        dict.fromkeys(names, (TEAM,)),
        {TEAM: tuple(accounts.values())},
    )
    return [Somebody(seed, settings, directory) for seed in range(THREADS)]


def test_everything_at_once_keeps_all_promises(crowd):
    assert at_once(*[somebody.act for somebody in crowd]) == [None] * THREADS
    assert [error for somebody in crowd for error in somebody.unexpected] == []

    assert first_fault() is None
    assert Person.select().count() == Identity.select().count() == PEOPLE
    assert Membership.select().count() == PEOPLE
    assert Alias.select().count() > 0
    for alias in Alias.select():
        rows = list(AliasRecipient.select().where(AliasRecipient.alias == alias))
        assert sorted(row.position for row in rows) == list(range(len(rows)))
        assert len(rows) <= MAX_RECIPIENTS
        assert {row.recipient.person_id for row in rows} <= {alias.person_id}
        reachable = any(row.recipient.verified_at for row in rows)
        assert (alias.unreachable_since is None) is reachable
        assert (alias.hold == Hold.BAN) is (alias.person.banned_at is not None)
        assert alias.local_part == alias.person.launchpad_name
    for person in Person.select():
        if person.banned_at is not None:
            assert not Session.select().where(Session.person == person).exists()
    assert Notice.select().where(Notice.kind == "address-created").count() == Alias.select().count()
