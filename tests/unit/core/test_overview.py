"""core.overview"""

import pytest

from core.aliases import ClaimProblem
from core.database import write
from core.facts import Answer
from core.models import Alias, Domain, Person, Recipient, ReservedName
from core.overview import alias_views, failing_of, overview_of
from core.recipients import replace_recipient
from core.routing import Fate, Hold, Switch
from core.standing import store_memberships
from tests.support.arrange import (
    entitle,
    later,
    make_alias,
    make_domain,
    make_member,
    make_person,
    make_recipient,
)


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def ada(domain, now) -> Person:
    return make_member(now)


def only_row(person, now):
    (row,) = overview_of(person, now).rows
    return row


def test_each_domain_is_a_row_with_its_decision(ada, domain, now):
    make_domain(now, "other.example", ["other"])

    rows = overview_of(ada, now).rows
    assert [row.domain.name for row in rows] == ["proj.example", "other.example"]
    assert [row.decision.answer for row in rows] == [Answer.YES, Answer.UNKNOWN]
    assert [row.local_part for row in rows] == ["ada", "ada"]


def test_a_removed_domain_is_not_shown(ada, domain, now):
    make_alias(ada, domain, now)
    Domain.update(removed_at=now).execute()

    assert overview_of(ada, now).rows == []
    assert alias_views(ada, now) == []


def test_somebody_without_an_account_has_rows_without_a_name(domain, now):
    row = only_row(make_person(now, None), now)

    assert (row.local_part, row.problem) == (None, None)


def test_a_free_name_has_no_problem(ada, now):
    assert only_row(ada, now).problem is None


def test_the_own_alias_is_no_problem(ada, domain, now):
    make_alias(ada, domain, now)

    assert only_row(ada, now).problem is None


@pytest.mark.parametrize("owner", ["another", "nobody"])
def test_a_name_of_somebody_else_is_taken(ada, domain, now, owner):
    make_alias(make_member(now, "grace", created="2010") if owner == "another" else None, domain, now, "ada")

    assert only_row(ada, now).problem is ClaimProblem.TAKEN


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("fay+lab", ClaimProblem.IMPOSSIBLE),
        ("fay.", ClaimProblem.IMPOSSIBLE),
        ("postmaster", ClaimProblem.RESERVED),
        ("Root", ClaimProblem.RESERVED),
        ("srs0", ClaimProblem.RESERVED),
    ],
)
def test_a_name_that_nobody_gets_says_why(domain, now, name, problem):
    assert only_row(entitle(make_person(now, name), now), now).problem is problem


def test_a_name_kept_back_on_one_domain_is_reserved_there(ada, domain, now):
    make_domain(now, "other.example")
    ReservedName.create(domain=domain, local_part="ada")

    assert [row.problem for row in overview_of(ada, now).rows] == [ClaimProblem.RESERVED, None]


def test_a_name_kept_back_everywhere_is_reserved_everywhere(ada, now):
    make_domain(now, "other.example")
    ReservedName.create(domain=None, local_part="ada")

    assert [row.problem for row in overview_of(ada, now).rows] == [ClaimProblem.RESERVED] * 2


def test_an_alias_is_shown_with_its_recipients_in_order_and_its_fate(ada, domain, now):
    second = make_recipient(ada, now, "second@home.example.net")
    make_alias(ada, domain, now, recipients=[second, ada.recipients.get()])

    (view,) = only_row(ada, now).aliases
    assert view.alias.text == "ada@proj.example"
    assert [recipient.address for recipient in view.recipients] == [
        "second@home.example.net",
        "ada@home.example.net",
    ]
    assert view.fate is Fate.DELIVER


@pytest.mark.parametrize(
    ("fields", "fate"),
    [
        ({"hold": Hold.BAN}, Fate.HELD),
        ({"switch": Switch.OFF_LATER}, Fate.OFF_LATER),
        ({"switch": Switch.OFF_REFUSED}, Fate.OFF_REFUSED),
        ({"entitlement": "ended"}, Fate.ENDED),
    ],
)
def test_the_fate_shown_is_that_of_the_relay(ada, domain, now, fields, fate):
    make_alias(ada, domain, now, recipients=[ada.recipients.get()], **fields)

    assert only_row(ada, now).aliases[0].fate is fate


def test_a_recipient_that_another_person_verified_shows_as_no_recipient(ada, domain, now):
    grace = make_member(now, "grace", created="2010")
    make_alias(ada, domain, now, recipients=[grace.recipients.get()])

    assert only_row(ada, now).aliases[0].fate is Fate.NO_RECIPIENT_YET


def test_an_alias_without_a_proven_recipient_shows_that_it_waits(ada, domain, now):
    unproven = make_recipient(ada, now, "new@home.example.net", proven=False)
    make_alias(ada, domain, now, recipients=[unproven])

    assert only_row(ada, now).aliases[0].fate is Fate.NO_RECIPIENT_YET


def test_a_second_name_is_shown_in_the_same_row(ada, domain, now):
    make_alias(ada, domain, now)
    make_alias(ada, domain, now, "ada-old")

    assert [view.alias.local_part for view in only_row(ada, now).aliases] == ["ada", "ada-old"]


def test_what_was_given_up_is_not_shown(ada, domain, now):
    make_alias(ada, domain, now, switch=Switch.GIVEN_UP)

    assert only_row(ada, now).aliases == ()


def test_aliases_of_others_are_not_shown(ada, domain, now):
    make_alias(make_member(now, "grace", created="2010"), domain, now, "grace")

    assert alias_views(ada, now) == []


def test_one_alias_can_be_asked_for_by_its_owner_only(ada, domain, now):
    alias = make_alias(ada, domain, now)
    make_alias(ada, domain, now, "ada-old")

    assert [view.alias.id for view in alias_views(ada, now, alias.id)] == [alias.id]
    assert alias_views(make_member(now, "grace", created="2010"), now, alias.id) == []


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**63, 2**100])
def test_a_number_that_no_row_can_have_shows_nothing(ada, now, number):
    assert alias_views(ada, now, number) == []


def test_forty_domains_cost_no_more_queries_than_one(ada, domain, now, db, monkeypatch):
    def queries() -> int:
        execute, asked = db.obj.execute_sql, []
        with monkeypatch.context() as patch:
            patch.setattr(
                db.obj, "execute_sql", lambda *args, **rest: asked.append(1) or execute(*args, **rest)
            )
            for row in overview_of(ada, now).rows:
                for view in row.aliases:
                    assert view.alias.text
        return len(asked)

    make_alias(ada, domain, now, recipients=[ada.recipients.get()])
    one = queries()
    for number in range(39):
        other = make_domain(now, f"d{number}.example")
        make_alias(ada, other, now, recipients=[ada.recipients.get()])

    assert len(overview_of(ada, now).rows) == 40
    assert queries() == one


def test_looking_changes_nothing(ada, domain, now):
    make_alias(ada, domain, now)
    before = list(Alias.select().tuples())
    overview_of(ada, now)

    assert list(Alias.select().tuples()) == before


# -- what is wrong with recipients ----------------------------------------------------------------


@pytest.fixture
def failing(ada, now) -> Recipient:
    recipient = make_recipient(ada, now, "full@home.example.net")
    recipient.failing_since, recipient.failing_with = now, "5.2.2"
    recipient.save()
    return recipient


def test_a_failing_recipient_is_named_once_with_why_and_its_first_address(ada, domain, failing, now):
    first = make_alias(ada, domain, now, recipients=[ada.recipients.get(), failing])
    make_alias(ada, domain, now, "ada-old", recipients=[failing])

    for found in (overview_of(ada, now).failing, failing_of(ada, now)):
        (one,) = found
        assert (one.alias, one.recipient) == (first, failing)
        assert one.why == "its server says that the mailbox is full"


def test_one_that_no_address_uses_or_only_one_given_up_is_not_named(ada, domain, failing, now):
    make_alias(ada, domain, now, recipients=[failing], switch=Switch.GIVEN_UP)

    assert failing_of(ada, now) == overview_of(ada, now).failing == []


def test_others_failing_recipients_are_not_named(domain, failing, now):
    grace = make_member(now, "grace", created="2010")
    make_alias(grace, domain, now, "grace", recipients=[grace.recipients.get()])

    assert failing_of(grace, now) == []


# -- the page as a whole --------------------------------------------------------------------------


def test_own_addresses_come_first_then_what_can_be_claimed(ada, domain, now):
    make_domain(now, "no.example", ["no"])
    make_domain(now, "yes.example")
    mine = make_domain(now, "mine.example")
    store_no(ada, "no", now)
    make_alias(ada, mine, now)

    names = [row.domain.name for row in overview_of(ada, now).rows]
    assert names == ["mine.example", "proj.example", "yes.example", "no.example"]


def store_no(person, team, now):
    with write():
        store_memberships(person, {team: Answer.NO}, later(now, hours=-7))
        store_memberships(person, {team: Answer.NO}, now)


def test_the_next_check_comes_a_quarter_of_an_hour_after_the_last(ada, domain, now):
    assert only_row(ada, later(now, hours=3)).next_check == later(now, minutes=15)
    assert only_row(make_person(now, "new", created="2011"), now).next_check is None


def test_a_person_with_a_proven_recipient_need_not_say_where_mail_goes(ada, domain, now):
    newcomer = entitle(make_person(now, "new", created="2011"), now)
    newcomer.sign_in_email = "new@post.example.com"
    make_recipient(newcomer, now, "unproven@home.example.net", proven=False)

    assert overview_of(ada, now).has_recipient
    found = overview_of(newcomer, now)
    assert (found.has_recipient, found.suggested) == (False, "new@post.example.com")


def test_one_that_waits_for_anothers_place_is_no_recipient_yet(ada, domain, now):
    home = ada.recipients.get()
    make_alias(ada, domain, now, recipients=[home])
    alias = Alias.get()
    replace_recipient(ada.id, alias.id, home.id, "new@work.example.net", now, everywhere=False)

    (view,) = alias_views(ada, now)
    assert view.recipients == [home]
    assert view.waiting_for(home).address == "new@work.example.net"
