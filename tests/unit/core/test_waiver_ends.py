"""core.waiver_ends"""

import pytest

from core.audit import OPERATOR
from core.letters import write_letter
from core.models import Notice, Waiver
from core.waiver_ends import warn_of_ends
from core.waivers import end
from tests.support.arrange import later, make_domain, make_member, make_waiver


@pytest.fixture
def ada(db, now):
    make_domain(now)
    return make_member(now)


@pytest.fixture
def waiver(ada, now):
    """Granted for 30 days."""
    domain = make_domain(now, "other.example")
    return make_waiver(ada, domain, now, state="granted", ends_at=later(now, days=30))


def told() -> list[str]:
    rows = Notice.select().where(Notice.kind == "waiver-ends").order_by(Notice.id)
    return [row.unique_key.split(":")[3] for row in rows]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (15.9, []),
        (16, ["14"]),
        (27.9, ["14"]),
        (28, ["2"]),
        (30.1, []),
    ],
)
def test_a_warning_comes_14_and_2_days_before(waiver, now, days, expected):
    warn_of_ends(later(now, days=days))

    assert told() == expected


def test_each_is_said_once(waiver, now):
    for hours in range(0, 30 * 24, 6):
        warn_of_ends(later(now, hours=hours))

    assert told() == ["14", "2"]


@pytest.mark.parametrize(
    "fields", [{"state": "asked"}, {"state": "refused"}, {"kind": "grace"}, {"ends_at": None}]
)
def test_what_is_no_granted_entitlement_does_not_warn(waiver, now, fields):
    Waiver.update(fields).execute()
    warn_of_ends(later(now, days=20))

    assert told() == []


def test_the_mail_says_which_domain_and_when(waiver, settings, now):
    warn_of_ends(later(now, days=20))
    letter = write_letter(Notice.get(Notice.kind == "waiver-ends"), settings, later(now, days=20))

    assert letter is not None
    assert letter.to == "ada@home.example.net"
    assert b"other.example" in letter.message
    assert b"2026-12-26" in letter.message


def test_no_mail_speaks_of_an_end_that_was_moved(waiver, settings, now):
    warn_of_ends(later(now, days=20))
    end(OPERATOR, waiver.id, later(now, days=21))

    assert write_letter(Notice.get(Notice.kind == "waiver-ends"), settings, later(now, days=21)) is None
