"""core.lifecycle"""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.eligibility import DomainRules, PersonFacts, settled
from core.facts import SECOND_NO, SECOND_NO_AFTER, Answer, observe
from core.lifecycle import Event, Life, Word, step
from core.routing import AliasFacts, Entitlement, Fate, Hold, RouteRecipient, Switch, alias_fate

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
GRACE = 90 * DAY
LIFE = Life(Entitlement.ENTITLED, Switch.ON, NOON, Hold.NONE)
IN_GRACE = replace(LIFE, entitlement=Entitlement.GRACE, grace_until=NOON + GRACE)
YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN


def word(entitled: Answer = YES, suspended: Answer = NO, *, banned: bool = False) -> Word:
    return Word(entitled, suspended, banned)


def after(life: Life, *steps: tuple[float, Word]) -> tuple[Life, list[Event]]:
    """Take steps, each after so many days counted from noon; collect the events."""
    told: list[Event] = []
    for days, what in steps:
        life, events = step(life, what, GRACE, NOON + days * DAY)
        told += events
    return life, told


# -- entitlement ----------------------------------------------------------------------------------


@pytest.mark.parametrize("entitled", [YES, UNKNOWN])
def test_an_entitled_alias_stays(entitled):
    assert after(LIFE, (500, word(entitled))) == (LIFE, [])


def test_a_lost_entitlement_starts_the_grace_time():
    assert after(LIFE, (0, word(NO))) == (IN_GRACE, [Event.GRACE_STARTED])


def test_the_grace_time_starts_once():
    life, told = after(LIFE, (0, word(NO)), (0, word(NO)), (1, word(NO)), (40, word(NO)))

    assert (life.grace_until, told) == (NOON + GRACE, [Event.GRACE_STARTED])


def test_whoever_comes_back_within_the_grace_time_has_everything_back():
    assert after(IN_GRACE, (89, word(YES))) == (LIFE, [Event.GRACE_LIFTED])


def test_the_grace_time_goes_on_while_nothing_is_known():
    assert after(IN_GRACE, (10, word(UNKNOWN))) == (IN_GRACE, [])


def test_the_owner_is_reminded_14_and_2_days_before_the_end_and_told_at_the_end():
    life, told = after(IN_GRACE, *[(hour / 24, word(NO)) for hour in range(92 * 24)])

    assert told == [Event.GRACE_14_DAYS, Event.GRACE_2_DAYS, Event.ENDED]
    assert life.entitlement is Entitlement.ENDED


@pytest.mark.parametrize(
    ("day", "event"),
    [(75.9, None), (76, Event.GRACE_14_DAYS), (87.9, Event.GRACE_14_DAYS), (88, Event.GRACE_2_DAYS)],
)
def test_a_reminder_that_was_missed_is_made_up_unless_the_next_is_due(day, event):
    assert after(IN_GRACE, (day, word(NO)))[1] == ([event] if event else [])


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (0, [Event.ENDED]),
        (1, [Event.GRACE_STARTED, Event.ENDED]),
        (2, [Event.GRACE_STARTED, Event.ENDED]),
        (10, [Event.GRACE_STARTED, Event.GRACE_2_DAYS, Event.ENDED]),
        (30, [Event.GRACE_STARTED, Event.GRACE_14_DAYS, Event.GRACE_2_DAYS, Event.ENDED]),
    ],
)
def test_a_short_grace_time_has_only_the_notices_that_fit(days, told):
    life, heard = LIFE, []
    for hour in range((days + 1) * 24):
        life, events = step(life, word(NO), days * DAY, NOON + hour * HOUR)
        heard += events

    assert heard == told


@pytest.mark.parametrize("entitled", list(Answer))
def test_what_has_ended_comes_back_by_a_claim_only(entitled):
    ended = replace(IN_GRACE, entitlement=Entitlement.ENDED)

    assert after(ended, (100, word(entitled))) == (ended, [])


@pytest.mark.parametrize("entitled", list(Answer))
def test_the_end_comes_at_its_moment_whatever_is_known_afterwards(entitled):
    life, told = after(IN_GRACE, (90, word(entitled)))

    assert (life.entitlement, told) == (Entitlement.ENDED, [Event.ENDED])


def test_a_second_leaving_has_a_grace_time_and_notices_of_its_own():
    life, told = after(LIFE, (0, word(NO)), (80, word(NO)), (81, word(YES)), (100, word(NO)))

    assert life.grace_until == NOON + 100 * DAY + GRACE
    assert life.grace_told is None
    assert told == [Event.GRACE_STARTED, Event.GRACE_14_DAYS, Event.GRACE_LIFTED, Event.GRACE_STARTED]


def test_an_alias_that_was_given_up_is_only_held_or_not():
    given_up = replace(LIFE, switch=Switch.GIVEN_UP)

    assert after(given_up, (1, word(NO, YES))) == (replace(given_up, hold=Hold.LAUNCHPAD), [])
    assert after(given_up, (1, word(NO, banned=True))) == (replace(given_up, hold=Hold.BAN), [])


# -- the owner's switch ---------------------------------------------------------------------------


def test_later_becomes_refused_after_three_days():
    later = replace(LIFE, switch=Switch.OFF_LATER)

    assert after(later, (2.9, word()))[0].switch is Switch.OFF_LATER
    assert after(later, (3, word())) == (replace(LIFE, switch=Switch.OFF_REFUSED), [])


# -- holds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hold", "what", "held", "told"),
    [
        (Hold.NONE, word(suspended=YES), Hold.LAUNCHPAD, [Event.SUSPENDED]),
        (Hold.LAUNCHPAD, word(suspended=YES), Hold.LAUNCHPAD, []),
        (Hold.LAUNCHPAD, word(suspended=UNKNOWN), Hold.LAUNCHPAD, []),
        (Hold.LAUNCHPAD, word(suspended=NO), Hold.NONE, [Event.SUSPENSION_LIFTED]),
        (Hold.NONE, word(suspended=UNKNOWN), Hold.NONE, []),
        (Hold.NONE, word(banned=True), Hold.BAN, []),
        (Hold.LAUNCHPAD, word(suspended=YES, banned=True), Hold.LAUNCHPAD, []),
        (Hold.LAUNCHPAD, word(suspended=UNKNOWN, banned=True), Hold.LAUNCHPAD, []),
        (Hold.BAN, word(suspended=YES, banned=True), Hold.LAUNCHPAD, []),
        (Hold.LAUNCHPAD, word(banned=True), Hold.BAN, []),
        (Hold.BAN, word(banned=True), Hold.BAN, []),
        (Hold.BAN, word(), Hold.NONE, []),
        (Hold.BAN, word(suspended=YES), Hold.LAUNCHPAD, [Event.SUSPENDED]),
        (Hold.ADMIN, word(), Hold.ADMIN, []),
        (Hold.ADMIN, word(suspended=YES, banned=True), Hold.ADMIN, []),
    ],
)
def test_a_hold_follows_the_ban_and_the_suspension_and_an_admins_own_stays(hold, what, held, told):
    assert after(replace(LIFE, hold=hold), (1, what)) == (replace(LIFE, hold=held), told)


def test_a_ban_takes_no_entitlement_away():
    assert after(LIFE, (1, word(banned=True)))[0].entitlement is Entitlement.ENTITLED


# -- any life -------------------------------------------------------------------------------------

words = st.builds(Word, st.sampled_from(Answer), st.sampled_from(Answer), st.booleans())
lives = st.builds(
    Life,
    st.just(Entitlement.ENTITLED),
    st.sampled_from(Switch),
    st.just(NOON),
    st.sampled_from(Hold),
) | st.builds(
    Life,
    st.sampled_from([Entitlement.GRACE, Entitlement.ENDED]),
    st.sampled_from(Switch),
    st.just(NOON),
    st.sampled_from(Hold),
    st.integers(-5, 90).map(lambda days: NOON + days * DAY),
    st.sampled_from([None, 14, 2]),
)


@given(lives, words, st.integers(0, 90))
def test_a_second_step_at_the_same_moment_changes_nothing(life, what, days):
    once, _ = step(life, what, days * DAY, NOON)

    assert step(once, what, days * DAY, NOON) == (once, ())


@given(lives, words, st.integers(0, 90))
def test_the_three_facts_do_not_know_of_each_other(life, what, days):
    after_all, _ = step(life, what, days * DAY, NOON)
    other = replace(life, hold=Hold.NONE, switch=Switch.ON)
    alone, _ = step(other, what, days * DAY, NOON)

    if life.switch is not Switch.GIVEN_UP:
        assert (after_all.entitlement, after_all.grace_until) == (alone.entitlement, alone.grace_until)


@given(lives, st.integers(0, 90))
def test_the_unknown_holds_nothing_and_starts_nothing(life, days):
    once, _ = step(life, Word(UNKNOWN, UNKNOWN, life.hold is Hold.BAN), days * DAY, NOON)

    assert once.hold is life.hold
    assert once.grace_until == life.grace_until
    if once.entitlement is not life.entitlement:
        assert life.grace_until <= NOON  # that was decided before


# -- months of readings, with trouble -------------------------------------------------------------

RULES = DomainRules(verified=True, coc_required=True, teams=("one", "two"))
ASKED = ("valid", "coc_signed", "one", "two", "not_suspended")


class MonthsOfReadings(RuleBasedStateMachine):
    """Readings of five facts at any hours, with outages; beside it a plain history of what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.life = LIFE
        self.told: Counter[tuple[Event, datetime | None]] = Counter()
        self.facts = dict.fromkeys(ASKED)
        self.noes: dict[str, list[datetime]] = {name: [] for name in ASKED}
        self.grace_began: datetime | None = None

    @initialize(known=st.sets(st.sampled_from(ASKED)))
    def an_alias_taken_over_by_somebody(self, known: set[str]) -> None:
        for name in sorted(known):
            self._say(name, YES)

    @rule(
        hours=st.one_of(st.integers(0, 12), st.integers(13, 24 * 20)),
        minutes=st.integers(0, 15),
        said=st.fixed_dictionaries({name: st.sampled_from([YES, NO, NO, UNKNOWN]) for name in ASKED}),
    )
    def somebody_looks(self, hours: int, minutes: int, said: dict[str, Answer]) -> None:
        self.now += timedelta(hours=hours, minutes=minutes)
        for name, answer in said.items():
            self._say(name, answer)
        self._step()

    @rule(hours=st.integers(1, 24 * 30))
    def an_outage(self, hours: int) -> None:
        before = dict(self.facts)
        self.now += timedelta(hours=hours)
        for name in ASKED:
            self._say(name, UNKNOWN)
        assert self.facts == before
        self._step()

    @rule(days=st.integers(1, 30))
    def the_hourly_pass(self, days: int) -> None:
        for _ in range(days):
            self.now += DAY
            self._step()

    @rule()
    def two_jobs_at_once(self) -> None:
        self._step()
        told = Counter(self.told)
        self._step()
        assert self.told == told

    def _say(self, name: str, answer: Answer) -> None:
        apart = SECOND_NO.get(name, SECOND_NO_AFTER)
        self.facts[name] = observe(self.facts[name], answer, self.now, apart)
        if answer is YES:
            self.noes[name] = []
        elif answer is NO:
            self.noes[name].append(self.now)

    def _said_twice(self, name: str) -> bool:
        apart = SECOND_NO.get(name, SECOND_NO_AFTER)
        noes = self.noes[name]
        return bool(noes) and noes[-1] - noes[0] >= apart

    def _step(self) -> None:
        facts = PersonFacts(
            banned=False,
            has_account=YES,
            valid=self.facts["valid"],
            coc_signed=self.facts["coc_signed"],
            memberships={team: self.facts[team] for team in ("one", "two")},
        )
        free = self.facts["not_suspended"]
        suspended = {YES: NO, NO: YES, UNKNOWN: UNKNOWN}[free.settled if free else UNKNOWN]
        before = self.life
        self.life, events = step(before, Word(settled(facts, RULES, self.now), suspended), GRACE, self.now)
        for event in events:
            if event in (Event.SUSPENDED, Event.SUSPENSION_LIFTED):
                self.told[event, None] += 1
            else:
                self.told[event, self.life.grace_until or before.grace_until] += 1
        self._check(before)

    def _check(self, before: Life) -> None:
        lost = any(map(self._said_twice, ("valid", "coc_signed"))) or all(
            map(self._said_twice, ("one", "two"))
        )
        if before.entitlement is Entitlement.ENTITLED and self.life.entitlement is not Entitlement.ENTITLED:
            assert lost, "something was taken away without two clear noes"
            self.grace_began = self.now
        if before.entitlement is Entitlement.GRACE and self.life.entitlement is Entitlement.ENTITLED:
            assert not lost
        if before.entitlement is Entitlement.GRACE and self.life.entitlement is Entitlement.ENDED:
            assert self.grace_began is not None
            assert self.now - self.grace_began >= GRACE
        if before.hold is Hold.NONE and self.life.hold is Hold.LAUNCHPAD:
            assert self._said_twice("not_suspended")

    @invariant()
    def every_notice_is_said_once(self) -> None:
        assert all(number == 1 for (_, grace_until), number in self.told.items() if grace_until)
        still = self.told[Event.SUSPENDED, None] - self.told[Event.SUSPENSION_LIFTED, None]
        assert still == (self.life.hold is Hold.LAUNCHPAD)

    @invariant()
    def mail_gets_what_the_life_says(self) -> None:
        life = self.life
        facts = AliasFacts(
            1, life.entitlement, life.switch, life.switched_at, life.hold, life.grace_until,
            recipients=[RouteRecipient("ada@home.example.net", deliverable=True)],
        )  # fmt: skip
        fate = alias_fate(facts, self.now)
        if life.hold is Hold.NONE and life.entitlement is Entitlement.ENTITLED:
            assert fate is Fate.DELIVER


MonthsOfReadings.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestMonthsOfReadings = MonthsOfReadings.TestCase
