"""core.waivers and core.waiver_rules"""

import contextlib
import json
from datetime import UTC, date, datetime, timedelta

import pytest

from core.account import erase
from core.addresses import parse_address
from core.alias_table import open_alias_table
from core.aliases import ClaimProblem, ClaimRefused, claim, give_up
from core.audit import OPERATOR, first_fault
from core.database import write
from core.eligibility import Condition
from core.facts import Answer
from core.models import Alias, AuditEntry, Domain, Notice, Person, ReservedName, Waiver
from core.overview import overview_of
from core.ownership import NotYours, recipients_of
from core.people import ban
from core.roles import Role
from core.routing import Entitlement, Fate, Hold, Switch, route
from core.standing import decision_for, store_account_facts, store_memberships
from core.upkeep import keep_all_up, keep_up
from core.waiver_rules import LONGEST_REASON, warnings_about
from core.waivers import (
    Kind,
    Request,
    State,
    WaiverProblem,
    ask,
    end,
    end_of,
    grant,
    refuse,
    waivers_of,
    withdraw,
)
from tests.support.arrange import (
    ISSUER,
    entitle,
    later,
    make_admin,
    make_alias,
    make_domain,
    make_member,
    make_person,
    make_recipient,
    make_waiver,
)
from tests.support.threads import at_once

WHY = "I have used it for ten years."
DAY = date(2026, 12, 24)


@pytest.fixture
def domain(db, now) -> Domain:
    return make_domain(now)


@pytest.fixture
def ada(domain, now) -> Person:
    """Entitled to ada@proj.example, with one proven recipient."""
    return make_member(now)


@pytest.fixture
def outsider(domain, now) -> Person:
    """In good standing, but in no team."""
    person = entitle(make_person(now, "oto"), now, "another-team")
    make_recipient(person, now, "oto@home.example.net")
    for moment in (later(now, hours=-7), now):
        with write():
            store_memberships(person, {"proj-members": Answer.NO}, moment)
    return person


@pytest.fixture
def put(domain, settings, now):
    """Ask for something, as somebody."""

    def put(person, kind=Kind.LOCAL_PART, name="ada.lovelace", until=None, *, reason=WHY, on=domain, at=now):
        wanted = name if kind is Kind.LOCAL_PART else ""
        return ask(person.id, Request(kind, on, reason, wanted, until), settings.record_secret, at)

    return put


@pytest.fixture
def allow(settings, now):
    """Grant a request, as the operator."""
    return lambda waiver, at=now, **more: grant(OPERATOR, waiver.id, settings.record_secret, at, **more)


@pytest.fixture
def fate(settings, db):
    table = open_alias_table(settings.database_url)
    return lambda address, moment: route(table, parse_address(address), settings.ops_address, moment).fate


def verbs() -> list[str]:
    return [entry.verb for entry in AuditEntry.select().order_by(AuditEntry.id)]


def refusal(call) -> str:
    """Return the sentence that a request or decision is refused with, and see that it changed nothing."""
    tables = (Waiver, Alias, Notice, AuditEntry)
    before = [list(table.select().order_by(table.id).dicts()) for table in tables]
    with pytest.raises(WaiverProblem) as caught:
        call()
    assert [list(table.select().order_by(table.id).dicts()) for table in tables] == before
    return str(caught.value)


# -- asking ---------------------------------------------------------------------------------------


def test_a_request_waits_for_an_admin(ada, domain, put, now):
    waiver = put(ada, name=" Ada.Lovelace ", reason=f"  {WHY}\r\nReally.\x00\u202e ")

    assert Waiver.get_by_id(waiver.id).__data__ == {
        "id": waiver.id, "person": ada.id, "kind": "local-part", "domain": domain.id, "state": "asked",
        "local_part": "ada.lovelace", "reason": f"{WHY}\nReally.", "ends_at": None, "asked_at": now,
        "decided_at": None, "answer": "",
    }  # fmt: skip
    assert [row.id for row in waivers_of(ada)] == [waiver.id]
    entry = AuditEntry.select().order_by(AuditEntry.id.desc()).get()
    assert (entry.verb, entry.actor) == ("waiver-asked", f"person:{ada.id}")
    assert json.loads(entry.subject_ids) == {"waiver": waiver.id, "person": ada.id, "domain": domain.id}


def test_the_domains_admins_are_told_and_else_ops(ada, domain, put, now):
    put(ada)
    assert [(row.kind, row.recipient) for row in Notice.select()] == [("waiver-asked", None)]
    Waiver.delete().execute()
    Notice.delete().execute()
    grace = make_admin(now, "grace", Role.DOMAIN_ADMIN, domain)
    put(ada)

    assert Notice.get().recipient == grace.recipients.get()


@pytest.mark.parametrize(
    "reason", ["", "too short", " \n ".join("abc"), "\x00" * 50, "x" * (LONGEST_REASON + 1)]
)
def test_a_reason_must_say_something(ada, put, reason):
    assert "10 to 1000 characters" in refusal(lambda: put(ada, reason=reason))


def test_a_long_reason_of_many_languages_is_kept(ada, put):
    reason = "純" * LONGEST_REASON

    assert Waiver.get_by_id(put(ada, reason=reason).id).reason == reason


def test_one_request_a_kind_and_domain_is_open_at_a_time(ada, domain, put, now):
    other = make_domain(now, "other.example")
    put(ada)
    put(ada, on=other)

    assert "asked for this already" in refusal(lambda: put(ada, name="countess"))
    assert Waiver.select().count() == 2


def test_at_the_same_moment_too(ada, put):
    def try_it():
        try:
            return put(ada).id
        except WaiverProblem:
            return None

    assert len([one for one in at_once(*[try_it] * 4) if one]) == 1
    assert Waiver.select().count() == 1


@pytest.mark.parametrize("state", [State.GRANTED, State.REFUSED, State.WITHDRAWN])
def test_after_an_answer_one_may_ask_again(ada, domain, put, now, state):
    make_waiver(ada, domain, now, Kind.LOCAL_PART, state=state, local_part="countess")

    assert put(ada).state == State.ASKED


def test_nothing_is_asked_for_on_a_domain_that_is_gone(ada, domain, put, now):
    Domain.update(removed_at=now).execute()

    assert "not served here" in refusal(lambda: put(ada))


# -- another name: the rules of a claim -----------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["", " ", ".ada", "ada.", "a..b", "+ada", "a b", "a@b", "ada@proj.example", "ä", "鈴木", "a_b", "x" * 65,
     "+", "ada+.", "\x00", "a\nb"],
)  # fmt: skip
def test_a_name_that_cannot_be_one_is_refused(ada, put, name):
    assert "letters from a to z" in refusal(lambda: put(ada, name=name))


@pytest.mark.parametrize("name", ["abuse", "Postmaster", "root", "postmaster+x", "srs0+a", "srs1-x"])
def test_a_name_that_is_kept_is_refused(ada, put, name):
    assert "kept for the project" in refusal(lambda: put(ada, name=name))


def test_a_name_that_admins_keep_is_refused(ada, domain, put):
    ReservedName.create(local_part="press", domain=domain)

    assert "kept for the project" in refusal(lambda: put(ada, name="press"))


@pytest.mark.parametrize("name", ["x" * 64, "a", "0", "ada-l", "a.b.c", "ada+lab", "a+b+c"])
def test_a_name_that_can_be_one_is_taken(ada, put, name):
    assert put(ada, name=name).local_part == name


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"switch": Switch.GIVEN_UP},
        {"entitlement": Entitlement.ENDED},
        {"reserved_issuer": ISSUER, "reserved_subject": "x"},
    ],
)
def test_a_name_of_somebody_else_is_refused(ada, domain, put, now, fields):
    owner = None if "reserved_issuer" in fields else make_member(now, "grace")
    make_alias(owner, domain, now, "countess", **fields)

    assert "Somebody else" in refusal(lambda: put(ada, name="countess"))


def test_a_name_that_an_erased_person_left_is_refused(ada, domain, put, now, settings):
    grace = make_member(now, "grace")
    make_alias(grace, domain, now, "countess")
    erase(grace.id, settings.record_secret, now)

    assert "Somebody else" in refusal(lambda: put(ada, name="countess"))


def test_ones_own_address_is_there_already(ada, domain, put, now):
    make_alias(ada, domain, now, "countess")

    assert "is there already" in refusal(lambda: put(ada, name="countess"))


@pytest.mark.parametrize("fields", [{"switch": Switch.GIVEN_UP}, {"entitlement": Entitlement.ENDED}])
def test_ones_own_old_name_may_be_asked_for(ada, domain, put, allow, fate, now, fields):
    old = make_alias(ada, domain, now, "countess", recipients=[ada.recipients.get()], **fields)
    allow(put(ada, name="countess"))

    alias = Alias.get(local_part="countess")
    assert (alias.id, alias.by_self_service) == (old.id, False)
    assert fate("countess@proj.example", now) is Fate.DELIVER


def test_without_an_entitlement_no_name_is_asked_for(outsider, put):
    assert "needs an entitlement to proj.example" in refusal(lambda: put(outsider, name="oto.two"))


def test_a_launchpad_name_with_a_plus_may_be_asked_for(domain, put, allow, fate, now):
    fay = make_member(now, "fay+lab")
    allow(put(fay, name="fay+lab"))

    assert fate("fay+lab@proj.example", now) is Fate.DELIVER
    assert fate("fay@proj.example", now) is Fate.UNKNOWN_ADDRESS


# -- a domain, and a later end --------------------------------------------------------------------


def test_who_is_entitled_needs_no_waiver(ada, put):
    assert "without a waiver" in refusal(lambda: put(ada, Kind.DOMAIN))


def test_a_domain_may_be_asked_for_until_a_day(outsider, put):
    assert put(outsider, Kind.DOMAIN, until=DAY).ends_at == datetime(2026, 12, 24, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("kind", [Kind.DOMAIN, Kind.GRACE])
def test_a_day_that_is_over_is_refused(outsider, domain, put, now, kind):
    make_alias(outsider, domain, now, "oto", entitlement=Entitlement.GRACE, grace_until=later(now, days=9))

    assert "day is over" in refusal(lambda: put(outsider, kind, until=date(2026, 11, 25)))


def test_today_lasts_until_its_end(outsider, put, now):
    assert put(outsider, Kind.DOMAIN, until=now.date()).ends_at > now


@pytest.fixture
def ending(outsider, domain, now) -> Alias:
    """An address that ends in nine days."""
    mailbox = [outsider.recipients.get()]
    fields = {"entitlement": Entitlement.GRACE, "grace_until": later(now, days=9)}
    return make_alias(outsider, domain, now, "oto", recipients=mailbox, **fields)


def test_a_later_end_needs_an_address_that_ends(ada, domain, put, now):
    make_alias(ada, domain, now)
    make_alias(ada, domain, now, "old", entitlement=Entitlement.ENDED, switch=Switch.GIVEN_UP)

    assert "is about to end" in refusal(lambda: put(ada, Kind.GRACE, until=DAY))


@pytest.mark.parametrize(
    ("until", "words"),
    [
        (None, "until when"),
        (date(2026, 12, 4), "longer than that already"),
        (date(2027, 11, 28), "A year from now"),
        (date.max, "A year from now"),
    ],
)
def test_a_later_end_is_later_and_within_a_year(outsider, ending, put, until, words):
    assert words in refusal(lambda: put(outsider, Kind.GRACE, until=until))


# -- granting -------------------------------------------------------------------------------------


def test_another_name_becomes_an_address(ada, domain, put, allow, fate, now):
    waiver = allow(put(ada), answer="With pleasure.")

    alias = Alias.get()
    assert (alias.text, alias.person, alias.by_self_service) == ("ada.lovelace@proj.example", ada, False)
    assert (waiver.state, waiver.decided_at, waiver.answer) == ("granted", now, "With pleasure.")
    assert [row.address for row in recipients_of(alias)] == ["ada@home.example.net"]
    assert fate("ada.lovelace@proj.example", now) is Fate.DELIVER
    assert verbs()[-2:] == ["alias-granted", "waiver-granted"]
    assert AuditEntry.select().order_by(AuditEntry.id.desc()).get().actor == OPERATOR
    assert "waiver-granted" in [row.kind for row in Notice.select().where(Notice.recipient.is_null(False))]


def test_it_takes_nothing_from_what_one_may_claim(ada, domain, put, allow, settings, now):
    for name in ("ada.one", "ada.two", "ada.three"):
        allow(put(ada, name=name))

    assert claim(ada.id, domain, None, settings.record_secret, now).text == "ada@proj.example"


def test_without_a_mailbox_the_address_waits_for_one(domain, put, allow, fate, now):
    person = entitle(make_person(now), now)
    allow(put(person))

    assert fate("ada.lovelace@proj.example", now) is Fate.NO_RECIPIENT_YET
    assert Alias.get().unreachable_since == now


def test_a_domain_is_open_to_them_until_the_end(outsider, domain, put, allow, fate, settings, now):
    assert decision_for(outsider, domain, now).answer is Answer.NO
    allow(put(outsider, Kind.DOMAIN, until=DAY))

    decision = decision_for(outsider, domain, now)
    assert (decision.answer, decision.claimable) == (Answer.YES, True)
    reason = next(one for one in decision.reasons if one.condition is Condition.WAIVER)
    assert reason.until == end_of(DAY)
    (row,) = overview_of(outsider, now).rows
    assert row.decision == decision
    claim(outsider.id, domain, None, settings.record_secret, now)
    assert fate("oto@proj.example", now) is Fate.DELIVER

    assert decision_for(outsider, domain, end_of(DAY)).answer is Answer.NO
    with pytest.raises(ClaimRefused) as refused:
        give_up(outsider.id, Alias.get().id, now)
        claim(outsider.id, domain, None, settings.record_secret, end_of(DAY))
    assert refused.value.problem is ClaimProblem.NOT_ENTITLED


def test_a_waiver_opens_its_own_domain_to_its_own_person_only(outsider, domain, put, allow, now):
    other = make_domain(now, "other.example")
    somebody = entitle(make_person(now, "somebody"), now, "another-team")
    allow(put(outsider, Kind.DOMAIN))

    assert decision_for(outsider, other, now).answer is not Answer.YES
    assert decision_for(somebody, domain, now).answer is not Answer.YES


@pytest.mark.parametrize("state", [State.ASKED, State.REFUSED, State.WITHDRAWN])
def test_only_a_granted_waiver_opens_anything(outsider, domain, now, state):
    make_waiver(outsider, domain, now, state=state)

    assert decision_for(outsider, domain, now).answer is Answer.NO


@pytest.mark.parametrize("kind", [Kind.LOCAL_PART, Kind.GRACE])
def test_only_one_for_a_domain_opens_it(outsider, domain, now, kind):
    make_waiver(outsider, domain, now, kind, state=State.GRANTED, local_part="x")

    assert decision_for(outsider, domain, now).answer is Answer.NO


@pytest.mark.parametrize("days", [(10, None), (None, 10), (10, 400)])
def test_of_several_waivers_the_longest_counts(outsider, domain, now, days):
    for each in days:
        ends = None if each is None else later(now, days=each)
        make_waiver(outsider, domain, now, state=State.GRANTED, ends_at=ends)

    assert decision_for(outsider, domain, later(now, days=200)).answer is not Answer.NO


def test_a_waiver_stands_in_for_a_team_and_for_nothing_else(outsider, domain, now):
    make_waiver(outsider, domain, now, state=State.GRANTED)
    ban(OPERATOR, outsider, now)

    assert decision_for(Person.get_by_id(outsider.id), domain, now).answer is Answer.NO
    nobody = make_person(now, None)
    nobody.asked_at = now
    make_waiver(nobody, domain, now, state=State.GRANTED)
    assert decision_for(nobody, domain, now).answer is Answer.NO


def test_a_member_is_entitled_as_a_member_all_the_same(ada, domain, now):
    make_waiver(ada, domain, now, state=State.GRANTED)

    assert decision_for(ada, domain, now).team is not None


def test_another_last_day_may_be_granted_than_was_asked_for(outsider, domain, put, allow):
    waiver = put(outsider, Kind.DOMAIN)
    allow(waiver, until=DAY)

    assert Waiver.get_by_id(waiver.id).ends_at == end_of(DAY)


def test_a_later_end_moves_the_end(outsider, ending, put, allow, fate, now):
    allow(put(outsider, Kind.GRACE, until=DAY))

    alias = Alias.get_by_id(ending.id)
    assert (alias.entitlement, alias.grace_until) == (Entitlement.GRACE, end_of(DAY))
    assert fate("oto@proj.example", later(now, days=20)) is Fate.DELIVER
    assert fate("oto@proj.example", end_of(DAY) + timedelta(seconds=1)) is Fate.ENDED
    assert verbs()[-2:] == ["grace-moved", "waiver-granted"]


def test_an_address_that_has_ended_gets_more_time(outsider, ending, put, allow, fate, now):
    after = later(now, days=10)
    Alias.update(entitlement=Entitlement.ENDED).execute()
    assert fate("oto@proj.example", after) is Fate.ENDED
    allow(put(outsider, Kind.GRACE, until=DAY, at=after), at=after)

    assert fate("oto@proj.example", after) is Fate.DELIVER


def test_a_later_end_touches_no_other_address(outsider, domain, ending, put, allow, now):
    end_before = later(now, days=3)
    grace = {"entitlement": Entitlement.GRACE, "grace_until": end_before}
    others = [
        make_alias(outsider, make_domain(now, "other.example"), now, "oto", **grace),
        make_alias(make_member(now, "grace"), domain, now, "grace", **grace),
        make_alias(outsider, domain, now, "gone", switch=Switch.GIVEN_UP, **grace),
        make_alias(outsider, domain, now, "fine"),
    ]
    before = [Alias.get_by_id(other.id).__data__ for other in others]
    allow(put(outsider, Kind.GRACE, until=DAY))

    assert [Alias.get_by_id(other.id).__data__ for other in others] == before


def test_a_hold_is_not_lifted_by_a_waiver(outsider, ending, put, allow, fate, now):
    Alias.update(hold=Hold.ADMIN).execute()
    allow(put(outsider, Kind.GRACE, until=DAY))

    assert fate("oto@proj.example", now) is Fate.HELD


def test_what_cannot_be_had_any_more_is_not_granted(ada, domain, put, allow, now):
    waiver = put(ada)
    make_alias(make_member(now, "grace"), domain, now, "ada.lovelace")

    assert "Somebody else" in refusal(lambda: allow(waiver))
    assert Waiver.get().state == State.ASKED


def test_a_day_that_has_passed_meanwhile_is_not_granted(outsider, put, allow, now):
    waiver = put(outsider, Kind.DOMAIN, until=DAY)

    assert "day is over" in refusal(lambda: allow(waiver, at=later(now, days=60)))


def test_another_name_has_no_last_day(ada, put, allow):
    waiver = put(ada)

    assert "no last day" in refusal(lambda: allow(waiver, until=DAY))


def test_an_answer_is_not_endless(ada, put, allow):
    waiver = put(ada)

    assert "at most 1000" in refusal(lambda: allow(waiver, answer="x" * 1001))


# -- refusing, withdrawing, ending ----------------------------------------------------------------


def test_a_refusal_has_a_reason_and_is_told(ada, put, now):
    waiver = put(ada)
    assert "reason" in refusal(lambda: refuse(OPERATOR, waiver.id, " \n", now))
    refuse(OPERATOR, waiver.id, "Not for a nickname.", now)

    waiver = Waiver.get()
    assert (waiver.state, waiver.answer, waiver.decided_at) == ("refused", "Not for a nickname.", now)
    assert not Alias.select().exists()
    notice = Notice.select().order_by(Notice.id.desc()).get()
    assert (notice.kind, notice.recipient) == ("waiver-refused", ada.recipients.get())
    assert verbs()[-1] == "waiver-refused"


def test_a_request_may_be_taken_back(ada, put, now):
    waiver = put(ada)
    withdraw(ada.id, waiver.id, now)
    withdraw(ada.id, waiver.id, later(now, days=1))

    assert (Waiver.get().state, Waiver.get().decided_at) == ("withdrawn", now)
    assert verbs().count("waiver-withdrawn") == 1


@pytest.mark.parametrize("state", [State.GRANTED, State.REFUSED])
def test_what_is_decided_is_not_taken_back(ada, domain, now, state):
    waiver = make_waiver(ada, domain, now, state=state)

    assert "decided already" in refusal(lambda: withdraw(ada.id, waiver.id, now))


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**63, 999])
def test_nobody_takes_back_what_is_not_theirs(ada, domain, now, number):
    theirs = make_waiver(make_member(now, "grace"), domain, now)

    for each in (number, theirs.id):
        with pytest.raises(NotYours):
            withdraw(ada.id, each, now)


@pytest.mark.parametrize("state", [State.GRANTED, State.REFUSED, State.WITHDRAWN])
def test_what_is_decided_is_not_decided_again(ada, domain, put, allow, now, state):
    waiver = make_waiver(ada, domain, now, Kind.LOCAL_PART, state=state, local_part="countess")

    assert f"already: {state}" in refusal(lambda: allow(waiver))
    assert f"already: {state}" in refusal(lambda: refuse(OPERATOR, waiver.id, "No.", now))


def test_of_two_decisions_at_once_one_counts(ada, put, allow, now):
    waiver = put(ada)

    def try_it(decide):
        try:
            return decide().state
        except WaiverProblem:
            return None

    results = at_once(
        lambda: try_it(lambda: allow(waiver)),
        lambda: try_it(lambda: refuse(OPERATOR, waiver.id, "No.", now)),
        lambda: try_it(lambda: allow(waiver)),
    )

    (state,) = [result for result in results if result]
    assert Waiver.get().state == state
    assert Alias.select().exists() is (state == State.GRANTED)
    assert first_fault() is None


def test_a_withdrawal_and_a_grant_at_once_agree(ada, put, allow, now):
    waiver = put(ada)

    def try_it(decide):
        with contextlib.suppress(WaiverProblem):
            decide()

    at_once(lambda: try_it(lambda: allow(waiver)), lambda: try_it(lambda: withdraw(ada.id, waiver.id, now)))

    assert Alias.select().exists() is (Waiver.get().state == State.GRANTED)


def test_a_waiver_that_is_not_there_is_not_decided(db, allow, now):
    with pytest.raises(NotYours):
        allow(Waiver(id=4))
    with pytest.raises(NotYours):
        refuse(OPERATOR, 4, "No.", now)


def test_an_open_domain_is_closed_again(outsider, domain, put, allow, now):
    waiver = allow(put(outsider, Kind.DOMAIN))
    end(OPERATOR, waiver.id, later(now, days=1))
    end(OPERATOR, waiver.id, later(now, days=2))

    assert Waiver.get().ends_at == later(now, days=1)
    assert decision_for(outsider, domain, later(now, days=1)).answer is Answer.NO
    assert verbs().count("waiver-ended") == 1


def test_what_is_not_open_is_not_closed(ada, domain, put, allow, now):
    waiver = allow(put(ada))

    assert "Only a granted entitlement" in refusal(lambda: end(OPERATOR, waiver.id, now))


def test_after_its_end_one_may_ask_again(outsider, domain, put, now):
    make_waiver(outsider, domain, now, state=State.GRANTED, ends_at=later(now, days=-1))

    assert put(outsider, Kind.DOMAIN).state == State.ASKED


# -- warnings -------------------------------------------------------------------------------------


def test_a_name_that_takes_a_sub_address_warns(ada, domain, now):
    make_alias(make_member(now, "grace"), domain, now, "grace")
    waiver = make_waiver(ada, domain, now, Kind.LOCAL_PART, local_part="grace+ada")

    (warning,) = warnings_about(waiver)
    assert "grace+ada@proj.example goes to grace@proj.example today" in str(warning)


@pytest.mark.parametrize("name", ["nobody+ada", "countess"])
def test_another_name_warns_of_nothing(ada, domain, now, name):
    make_alias(make_member(now, "grace"), make_domain(now, "other.example"), now, "nobody")

    assert warnings_about(make_waiver(ada, domain, now, Kind.LOCAL_PART, local_part=name)) == []


def test_the_launchpad_name_of_somebody_else_warns(ada, domain, now):
    make_member(now, "grace")

    (warning,) = warnings_about(make_waiver(ada, domain, now, Kind.LOCAL_PART, local_part="grace"))
    assert "grace is the name of another person here" in str(warning)


@pytest.mark.parametrize("kind", [Kind.DOMAIN, Kind.GRACE])
def test_other_kinds_warn_of_nothing(ada, domain, now, kind):
    assert warnings_about(make_waiver(ada, domain, now, kind)) == []


def test_a_waiver_goes_with_its_person(ada, put, settings, now):
    put(ada)
    erase(ada.id, settings.record_secret, now)

    assert not Waiver.select().exists()


# -- in step with the directory (`core.upkeep`) ---------------------------------------------------


def kept_up(person: Person, moment: datetime) -> Alias:
    """Bring a person up to date, and return their one alias."""
    with write():
        keep_up([Person.get_by_id(person.id)], moment)
    return Alias.get(Alias.person == person)


def test_an_address_by_a_waiver_stays_until_its_end_and_then_gets_its_grace(
    outsider, domain, put, allow, fate, settings, now
):
    allow(put(outsider, Kind.DOMAIN, until=DAY))
    claim(outsider.id, domain, None, settings.record_secret, now)

    assert kept_up(outsider, later(now, days=20)).entitlement == Entitlement.ENTITLED
    alias = kept_up(outsider, end_of(DAY))
    assert (alias.entitlement, alias.grace_until) == (Entitlement.GRACE, later(end_of(DAY), days=90))
    assert "grace-started" in [row.kind for row in Notice.select()]
    assert fate("oto@proj.example", later(end_of(DAY), days=89)) is Fate.DELIVER


def test_the_schedule_finds_an_address_whose_waiver_is_over(outsider, domain, put, allow, settings, now):
    allow(put(outsider, Kind.DOMAIN, until=DAY))
    claim(outsider.id, domain, None, settings.record_secret, now)
    keep_all_up(later(now, days=1))
    assert Alias.get().entitlement == Entitlement.ENTITLED
    keep_all_up(later(end_of(DAY), hours=1))

    assert Alias.get().entitlement == Entitlement.GRACE


def test_a_waiver_lifts_the_grace_at_once(outsider, ending, put, allow, now):
    allow(put(outsider, Kind.DOMAIN))

    alias = Alias.get_by_id(ending.id)
    assert (alias.entitlement, alias.grace_until) == (Entitlement.ENTITLED, None)
    assert "grace-lifted" in [row.kind for row in Notice.select()]


def test_a_domain_that_is_closed_again_starts_the_grace_at_once(outsider, domain, put, allow, settings, now):
    waiver = allow(put(outsider, Kind.DOMAIN))
    claim(outsider.id, domain, None, settings.record_secret, now)
    end(OPERATOR, waiver.id, later(now, days=1))

    assert Alias.get().entitlement == Entitlement.GRACE


def test_a_waiver_does_not_outweigh_what_is_wrong_with_the_account(
    outsider, domain, put, allow, settings, now
):
    allow(put(outsider, Kind.DOMAIN))
    claim(outsider.id, domain, None, settings.record_secret, now)
    for hours in (1, 8):
        with write():
            store_account_facts(outsider, {"coc_signed": Answer.NO}, later(now, hours=hours))

    assert kept_up(outsider, later(now, hours=9)).entitlement == Entitlement.GRACE


def test_a_later_end_brings_its_own_reminders(outsider, ending, put, allow, now):
    kept_up(outsider, now)
    assert Alias.get().grace_told == 14
    allow(put(outsider, Kind.GRACE, until=DAY))
    assert kept_up(outsider, later(now, days=1)).grace_told is None

    assert kept_up(outsider, later(end_of(DAY), days=-13)).grace_told == 14
