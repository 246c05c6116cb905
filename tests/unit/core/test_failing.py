"""core.failing"""

import pytest

from core.failing import addresses_behind, failing_recipients
from core.models import Recipient
from core.paging import PAGE_SIZE
from tests.support.arrange import later, make_alias, make_domain, make_person, make_recipient


@pytest.fixture
def domain(db, now):
    return make_domain(now)


@pytest.fixture
def fail(now):
    """Gives somebody a mailbox that has refused mail for so many days."""

    def make(person, days: float) -> Recipient:
        recipient = make_recipient(person, now, f"box{days}@home.example.net")
        recipient.failing_since, recipient.failing_with = later(now, days=-days), "5.1.1"
        recipient.save()
        return recipient

    return make


def test_those_that_refuse_for_longest_come_first(domain, fail, now):
    ada = make_person(now)
    make_recipient(ada, now, "works@home.example.net")
    order = [fail(ada, days).id for days in (1, 30, 7)]

    assert [row.id for row in failing_recipients(None, None).rows] == [order[1], order[2], order[0]]


def test_the_list_goes_on_page_by_page(domain, fail, now):
    ada = make_person(now)
    since = later(now, days=-3)
    for number in range(PAGE_SIZE * 2 + 3):
        recipient = make_recipient(ada, now, f"box{number}@home.example.net")
        Recipient.update(failing_since=since if number % 3 else now).where(
            Recipient.id == recipient.id
        ).execute()
    seen, after = [], None
    while True:
        page = failing_recipients(None, after)
        seen += [(row.failing_since, row.id) for row in page.rows]
        after = page.next_key
        if after is None:
            break

    assert len(seen) == len(set(seen)) == PAGE_SIZE * 2 + 3
    assert seen == sorted(seen)


def test_one_that_works_again_leads_to_the_beginning(domain, fail, now):
    ada = make_person(now)
    last, other = fail(ada, 2), fail(ada, 1)
    Recipient.update(failing_since=None).where(Recipient.id == last.id).execute()

    assert [row.id for row in failing_recipients(None, last.id).rows] == [other.id]
    assert [row.id for row in failing_recipients(None, 2**40).rows] == [other.id]


def test_admins_of_a_domain_see_those_behind_its_addresses(domain, fail, now):
    other = make_domain(now, "other.example")
    ada = make_person(now)
    box, unused = fail(ada, 2), fail(ada, 1)
    make_alias(ada, domain, now, recipients=[box])
    make_alias(ada, other, now, "ada.two", recipients=[box])

    here = frozenset([domain.id])
    assert [row.id for row in failing_recipients(here, None).rows] == [box.id]
    assert addresses_behind([box, unused], here) == {box.id: ["ada@proj.example"]}
    assert addresses_behind([box], None) == {box.id: ["ada@proj.example", "ada.two@other.example"]}
