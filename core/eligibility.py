"""Who is entitled to an address on a domain: facts in, a Decision out. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from core.facts import Answer, Fact


class Condition(StrEnum):
    """One thing that must be true."""

    DOMAIN_VERIFIED = "domain-verified"
    NOT_BANNED = "not-banned"
    HAS_ACCOUNT = "has-account"
    ACCOUNT_VALID = "account-valid"
    COC_SIGNED = "coc-signed"
    TEAM_MEMBER = "team-member"
    WAIVER = "waiver"
    """Stands in for the team: an admin has granted it (`core.waivers`)."""


@dataclass(frozen=True)
class PersonFacts:
    """What is known of a person. A missing fact is unknown."""

    banned: bool
    has_account: Answer
    valid: Fact | None = None
    coc_signed: Fact | None = None
    memberships: Mapping[str, Fact] | None = None
    """By team name."""
    waivers: Mapping[int, datetime | None] | None = None
    """Domains that an admin opened for them, by id, each until when; None means without an end."""
    not_suspended: Fact | None = None


@dataclass(frozen=True)
class DomainRules:
    """What a domain asks for."""

    verified: bool
    """It is proven, and gives out new names (`core.domain_proof`)."""
    coc_required: bool
    teams: Sequence[str]
    """Membership in one of them is enough, directly or through a sub-team."""
    domain_id: int = 0
    """To find the waivers for it."""


@dataclass(frozen=True)
class Reason:
    """One condition, how it stands, and since when that is known."""

    condition: Condition
    answer: Answer
    teams: tuple[str, ...] = ()
    fact: Fact | None = None
    claimable: bool = True
    """Whether it stands firmly enough for a claim: a *yes* of the last 24 hours."""
    until: datetime | None = None
    """When a waiver ends."""


@dataclass(frozen=True)
class Decision:
    """Entitled or not, with every condition in the order in which a person can act on it."""

    reasons: tuple[Reason, ...]

    @cached_property
    def answer(self) -> Answer:
        """*No* when one condition fails, *unknown* when one is unknown, else *yes*."""
        answers = {reason.answer for reason in self.reasons}
        if Answer.NO in answers:
            return Answer.NO
        return Answer.UNKNOWN if Answer.UNKNOWN in answers else Answer.YES

    @property
    def claimable(self) -> bool:
        """Whether the person may claim now: entitled, by facts that are fresh and undoubted."""
        return self.answer is Answer.YES and all(reason.claimable for reason in self.reasons)

    @property
    def missing(self) -> tuple[Reason, ...]:
        """The conditions that fail, or that are unknown when none fails."""
        worst = self.answer
        return () if worst is Answer.YES else tuple(r for r in self.reasons if r.answer is worst)

    @property
    def oldest_reading(self) -> datetime | None:
        """When the oldest fact that it rests on was read."""
        times = [reason.fact.read_at for reason in self.reasons if reason.fact is not None]
        return min(times, default=None)

    @property
    def team(self) -> Reason | None:
        """The reason that speaks of teams."""
        return next((r for r in self.reasons if r.condition is Condition.TEAM_MEMBER), None)

    @property
    def waiver(self) -> Reason | None:
        """The waiver that stands in for a team."""
        return next((r for r in self.reasons if r.condition is Condition.WAIVER), None)


def decide(person: PersonFacts, domain: DomainRules, now: datetime) -> Decision:
    """Decide whether a person is entitled to an address on a domain."""
    reasons = [
        _plain(Condition.DOMAIN_VERIFIED, domain.verified),
        _plain(Condition.NOT_BANNED, not person.banned),
        Reason(Condition.HAS_ACCOUNT, person.has_account),
    ]
    if person.has_account is not Answer.NO:
        reasons.append(_of_fact(Condition.ACCOUNT_VALID, person.valid, now))
        if domain.coc_required:
            reasons.append(_of_fact(Condition.COC_SIGNED, person.coc_signed, now))
        of_teams = _of_teams(person.memberships or {}, domain.teams, now)
        by_team = of_teams.answer is Answer.YES and of_teams.claimable
        reasons.append(of_teams if by_team else _waiver(person, domain, now) or of_teams)
    return Decision(tuple(reasons))


def _waiver(person: PersonFacts, domain: DomainRules, now: datetime) -> Reason | None:
    """Return the waiver that stands in for a team now, or None."""
    waivers = person.waivers or {}
    if domain.domain_id not in waivers:
        return None
    until = waivers[domain.domain_id]
    return Reason(Condition.WAIVER, Answer.YES, until=until) if until is None or now < until else None


def settled(person: PersonFacts, domain: DomainRules, now: datetime) -> Answer:
    """Say whether the directory, or a waiver, entitles a person beyond doubt.

    What is doubtful or missing is *unknown*. Unlike `decide` it leaves out bans and the domain's own
    proof: neither takes an address away.
    """
    answers = settled_conditions(person, domain, now).values()
    return next(answer for answer in (Answer.NO, Answer.UNKNOWN, Answer.YES) if answer in answers)


def settled_conditions(person: PersonFacts, domain: DomainRules, now: datetime) -> dict[Condition, Answer]:
    """Say of each condition how it stands beyond doubt by the directory, or for the team by a waiver."""
    teams = {_settled((person.memberships or {}).get(team)) for team in domain.teams} or {Answer.UNKNOWN}
    answers = {Condition.ACCOUNT_VALID: _settled(person.valid)}
    if domain.coc_required:
        answers[Condition.COC_SIGNED] = _settled(person.coc_signed)
    if _waiver(person, domain, now) is not None:
        teams = {Answer.YES}
    in_one = next(answer for answer in (Answer.YES, Answer.UNKNOWN, Answer.NO) if answer in teams)
    return answers | {Condition.TEAM_MEMBER: in_one}


def _settled(fact: Fact | None) -> Answer:
    return Answer.UNKNOWN if fact is None else fact.settled


def _plain(condition: Condition, holds: bool) -> Reason:
    return Reason(condition, Answer.YES if holds else Answer.NO)


def _of_fact(condition: Condition, fact: Fact | None, now: datetime) -> Reason:
    answer = Answer.UNKNOWN if fact is None else fact.answer
    return Reason(condition, answer, (), fact, fact is not None and fact.supports_claim(now))


def _of_teams(memberships: Mapping[str, Fact], teams: Sequence[str], now: datetime) -> Reason:
    known = {team: memberships[team] for team in teams if team in memberships}
    held = {team: fact for team, fact in known.items() if fact.holds}
    if held:
        team, fact = max(held.items(), key=lambda item: (item[1].supports_claim(now), item[1].read_at))
        return Reason(Condition.TEAM_MEMBER, Answer.YES, (team,), fact, fact.supports_claim(now))
    answer = Answer.NO if len(known) == len(teams) else Answer.UNKNOWN
    oldest = min(known.values(), key=lambda fact: fact.read_at, default=None)
    return Reason(Condition.TEAM_MEMBER, answer, tuple(teams), oldest, False)
