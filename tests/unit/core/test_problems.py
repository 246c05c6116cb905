"""core.problems; how a digest reads is tried in test_letters.py"""

import pytest

from core.database import write
from core.models import Notice, Problem
from core.problems import problems_of, report
from tests.support.arrange import later, make_person
from tests.support.threads import at_once


def tell(moment, about="proj-members", tried="sync-team", person=None):
    with write():
        report(tried, about, "status 503", moment, person)


def test_the_problems_of_a_quarter_of_an_hour_are_one_mail_at_its_end(db, now):
    ada = make_person(now)
    tell(later(now, minutes=1))
    tell(later(now, minutes=14), f"person {ada.id}", "sync-person", ada)

    notice = Notice.get()
    assert notice.due_at == later(now, minutes=15)
    assert (notice.recipient, notice.person, notice.to_sign_in) == (None, None, False)
    quarter = Problem.get().quarter
    assert [(p.tried, p.about) for p in problems_of(quarter)] == [
        ("sync-team", "proj-members"),
        ("sync-person", f"person {ada.id}"),
    ]


def test_the_same_problem_again_is_no_second_line(db, now):
    for minutes in (1, 5, 9):
        tell(later(now, minutes=minutes))

    assert Problem.get().at == later(now, minutes=1)


def test_each_quarter_has_a_mail_of_its_own(db, now):
    for minutes in (1, 16, 31):
        tell(later(now, minutes=minutes))

    assert [notice.due_at for notice in Notice.select().order_by(Notice.id)] == [
        later(now, minutes=minutes) for minutes in (15, 30, 45)
    ]


@pytest.mark.parametrize("state", ["sent_at", "lease_until"])
def test_what_comes_too_late_for_its_mail_goes_into_the_next_one(db, now, state):
    tell(later(now, minutes=1))
    Notice.update({state: later(now, minutes=15)}).execute()
    tell(later(now, minutes=14), "another")

    assert Notice.select().count() == 2
    assert len({problem.quarter for problem in Problem.select()}) == 2


def test_many_at_once_are_all_told(db, now):
    calls = [lambda n=n: tell(now, f"team{n % 5}") for n in range(20)]

    assert at_once(*calls) == [None] * 20
    assert Problem.select().count() == 5
    assert Notice.select().count() == 1
