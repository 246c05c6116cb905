"""core.reservations"""

import time
from dataclasses import dataclass, field

import pytest

from core.audit import OPERATOR, first_fault
from core.database import connection, write
from core.directories import Deadline, IdentityReading
from core.facts import Answer
from core.models import Alias, AuditEntry, Domain, Recipient, Reservation
from core.ownership import NotYours
from core.people import ban
from core.reservations import NameState, drop, how_many, look_again, resolve_names, still_waiting
from tests.support.arrange import ISSUER, claimed_id, later, make_alias, make_domain, make_kept, make_member


@dataclass
class SaidNames:
    """Says which identity has a name; a name that is not there is unknown."""

    known: dict[str, IdentityReading] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def identify(self, name: str, deadline: Deadline) -> IdentityReading:
        self.asked.append(name)
        return self.known.get(name, IdentityReading(Answer.UNKNOWN, why="status 503"))


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


def yes(name: str, born=None) -> IdentityReading:
    return IdentityReading(Answer.YES, ISSUER, claimed_id(name), born)


def state_of(alias: Alias) -> str:
    return Reservation.get(Reservation.alias == alias).state


def test_a_name_leads_to_the_identity_that_may_ask(domain, now):
    alias = make_kept(domain, now, "ada", "ada", found=False)

    left = resolve_names(SaidNames({"ada": yes("ada", later(now, days=-900))}), Deadline(60), now)

    assert left == 0
    alias = Alias.get_by_id(alias.id)
    assert (alias.reserved_issuer, alias.reserved_subject) == (ISSUER, claimed_id("ada"))
    assert state_of(alias) == NameState.FOUND
    assert AuditEntry.select().where(AuditEntry.verb == "reservation-looked-up").count() == 1
    assert first_fault() is None


def test_an_account_younger_than_the_list_may_not_ask(domain, now):
    alias = make_kept(domain, now, "ada", "ada", found=False)

    resolve_names(SaidNames({"ada": yes("ada", later(now, seconds=1))}), Deadline(60), later(now, days=1))

    assert state_of(alias) == NameState.TOO_YOUNG
    assert Alias.get().reserved_subject is None


def test_a_name_without_account_is_listed_and_asked_again_on_request(domain, now):
    alias = make_kept(domain, now, "ada", "ada", found=False)
    names = SaidNames({"ada": IdentityReading(Answer.NO)})
    resolve_names(names, Deadline(60), now)
    assert state_of(alias) == NameState.NO_ACCOUNT
    resolve_names(names, Deadline(60), later(now, days=1))
    assert names.asked == ["ada"]

    assert look_again(OPERATOR, now) == 1
    names.known["ada"] = yes("ada")
    resolve_names(names, Deadline(60), later(now, days=1))

    assert state_of(alias) == NameState.FOUND


def test_what_stays_unclear_is_asked_again_a_while_later(domain, now):
    alias = make_kept(domain, now, "ada", "ada", found=False)
    names = SaidNames()

    assert resolve_names(names, Deadline(60), now) == 1
    assert state_of(alias) == NameState.UNCLEAR
    assert resolve_names(names, Deadline(60), later(now, minutes=1)) == 1
    assert names.asked == ["ada"]
    names.known["ada"] = yes("ada")
    assert resolve_names(names, Deadline(60), later(now, minutes=11)) == 0


def test_the_account_of_somebody_banned_may_not_ask(domain, now):
    ban(OPERATOR, make_member(now, "ada"), now)
    alias = make_kept(domain, now, "ada", "ada", found=False)

    resolve_names(SaidNames({"ada": yes("ada")}), Deadline(60), now)

    assert state_of(alias) == NameState.BANNED
    assert Alias.get().reserved_subject is None


def test_an_answer_that_comes_after_the_address_is_gone_changes_nothing(domain, now):
    alias = make_kept(domain, now, "ada", "ada", found=False)

    class Slow(SaidNames):
        def identify(self, name, deadline):
            with connection():
                drop(OPERATOR, alias.id, now)
            return yes("ada")

    resolve_names(Slow(), Deadline(60), now)

    assert not Alias.select().exists()


def test_an_answer_is_never_taken_for_another_address(domain, now):
    """The row that was asked for is gone meanwhile, and another one has its id on SQLite."""
    alias = make_kept(domain, now, "ada", "ada", found=False)

    class Slow(SaidNames):
        def identify(self, name, deadline):
            with connection():
                if name == "ada":
                    drop(OPERATOR, alias.id, now)
                    make_kept(domain, now, "eve", "eve", found=False)
            return yes("ada") if name == "ada" else IdentityReading(Answer.UNKNOWN)

    resolve_names(Slow(), Deadline(60), now)

    assert Alias.get().local_part == "eve"
    assert Alias.get().reserved_subject is None


def test_all_names_are_asked_in_batches_until_the_time_is_over(domain, now, monkeypatch):
    monkeypatch.setattr("core.reservations.BATCH", 3)
    for number in range(8):
        make_kept(domain, now, f"p{number}", f"p{number}", found=False)
    names = SaidNames({f"p{number}": yes(f"p{number}") for number in range(8)})
    over = Deadline(0)
    time.sleep(0.01)
    assert resolve_names(names, over, now) == 8
    assert resolve_names(names, Deadline(60), now) == 0
    assert sorted(names.asked) == [f"p{number}" for number in range(8)]


def test_the_list_of_those_who_wait_has_filters_and_pages(domain, now):
    make_alias(make_member(now, "bob"), domain, now, "bob")
    for number in range(60):
        make_kept(domain, now, f"p{number:02}", f"p{number}", found=number % 2 == 0)

    first = still_waiting()
    assert len(first.rows) == 50
    assert len(still_waiting(after=first.next_key).rows) == 10
    assert {row.alias.local_part for row in still_waiting(search="p1").rows} == {f"p1{n}" for n in range(10)}
    assert [row.alias.text for row in still_waiting(search="P11@proj.example").rows] == ["p11@proj.example"]
    assert still_waiting(search="p11@other.example").rows == []
    assert len(still_waiting(NameState.ASKING).rows) == 30
    assert how_many() == {NameState.ASKING: 30, NameState.FOUND: 30}


def test_an_import_can_be_undone_while_nobody_has_taken_the_address(domain, now):
    kept = make_kept(domain, now, "ada", "ada")
    bob = make_alias(make_member(now, "bob"), domain, now, "bob")

    drop(OPERATOR, kept.id, now)

    assert [row.local_part for row in Alias.select()] == ["bob"]
    assert [row.address for row in Recipient.select()] == ["bob@home.example.net"]
    for other in (kept.id, bob.id, 0, 2**40):
        with pytest.raises(NotYours):
            drop(OPERATOR, other, now)
    with write():
        assert AuditEntry.select().where(AuditEntry.verb == "reservation-dropped").count() == 1
