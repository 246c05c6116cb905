"""core.kept_names"""

import pytest

from core.aliases import ClaimProblem, claim, name_problem
from core.audit import OPERATOR, first_fault
from core.kept_names import NameProblem, accept_look_alike, keep_back, kept_names, let_go, look_alikes
from core.models import Alias, AuditEntry, Notice, ReservedName
from tests.support.arrange import make_alias, make_domain, make_member, make_person
from tests.support.threads import at_once


@pytest.fixture
def domain(db, now):
    return make_domain(now)


def test_a_name_is_kept_back_on_one_domain(domain, now):
    other = make_domain(now, "other.example")
    keep_back(OPERATOR, domain, " Board.X ", now)

    assert name_problem(domain, "board.x") is ClaimProblem.RESERVED
    assert name_problem(other, "board.x") is None
    assert name_problem(domain, "board.x.y") is None


def test_a_name_is_kept_back_everywhere_and_let_go(domain, now):
    row = keep_back(OPERATOR, None, "board.x", now)
    assert name_problem(domain, "board.x") is ClaimProblem.RESERVED
    assert let_go(OPERATOR, row.id, now)

    assert name_problem(domain, "board.x") is None
    assert not let_go(OPERATOR, row.id, now)
    verbs = [entry.verb for entry in AuditEntry.select().order_by(AuditEntry.id)][-2:]
    assert verbs == ["name-kept-back", "name-let-go"]
    assert first_fault() is None


def test_the_name_of_a_domain_stands_for_the_project(domain, now):
    make_domain(now, "kproj.example")

    assert name_problem(domain, "kproj") is ClaimProblem.RESERVED
    assert name_problem(domain, "kproj2") is None


@pytest.mark.parametrize("name", ["", "a b", "a@b", "ä", "root", "srs0=x", "a+b"])
def test_what_is_no_such_name_is_refused(domain, now, name):
    with pytest.raises(NameProblem):
        keep_back(OPERATOR, domain, name, now)


def test_a_name_is_kept_back_once(domain, now):
    keep_back(OPERATOR, domain, "board.x", now)
    with pytest.raises(NameProblem):
        keep_back(OPERATOR, domain, "board.x", now)
    keep_back(OPERATOR, None, "board.x", now)
    with pytest.raises(NameProblem):
        keep_back(OPERATOR, make_domain(now, "other.example"), "board.x", now)


def test_two_admins_at_once_keep_it_back_once(domain, now):
    def keep():
        try:
            keep_back(OPERATOR, None, "board.x", now)
        except NameProblem:
            return False
        return True

    assert sorted(at_once(keep, keep)) == [False, True]
    assert ReservedName.select().count() == 1


def test_the_list_shows_what_may_be_seen_and_goes_on(domain, now):
    other = make_domain(now, "other.example")
    for place in (domain, other, None):
        keep_back(OPERATOR, place, f"x{place.id if place else 'all'}", now)

    found = kept_names(frozenset([other.id]), None)
    assert [row.local_part for row in found.rows] == ["xall", f"x{other.id}"]
    assert [row.local_part for row in kept_names(None, found.rows[0].id).rows] == [
        f"x{other.id}",
        f"x{domain.id}",
    ]


@pytest.mark.parametrize(
    ("name", "like"), [("p0stmaster", "postmaster"), ("adm1n", "admin"), ("pr0j", "proj")]
)
def test_a_claim_of_a_look_alike_is_flagged_and_not_refused(domain, settings, now, name, like):
    person = make_member(now, name)
    alias = claim(person.id, domain, None, settings.record_secret, now)

    assert alias.looks_like == like
    assert [row.id for row in look_alikes(None, None).rows] == [alias.id]
    assert Notice.select().where(Notice.kind == "address-created").count() == 1


def test_a_claim_that_looks_like_a_name_of_the_admins_is_flagged(domain, settings, now):
    keep_back(OPERATOR, domain, "cabinet", now)

    assert (
        claim(make_member(now, "cab1net").id, domain, None, settings.record_secret, now).looks_like
        == "cabinet"
    )


def test_other_claims_are_not_flagged(domain, settings, now):
    assert claim(make_member(now, "ada").id, domain, None, settings.record_secret, now).looks_like is None


def test_an_admin_takes_it_off_the_list(domain, now):
    alias = make_alias(make_person(now), domain, now, "adm1n", looks_like="admin")

    assert accept_look_alike(OPERATOR, alias.id, now)
    assert not accept_look_alike(OPERATOR, alias.id, now)
    assert look_alikes(None, None).rows == []
    assert Alias.get_by_id(alias.id).local_part == "adm1n"


def test_look_alikes_of_other_domains_are_not_shown(domain, now):
    make_alias(make_person(now), domain, now, "adm1n", looks_like="admin")

    assert look_alikes(frozenset([domain.id + 1]), None).rows == []
