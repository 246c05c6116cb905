"""Waivers: what a person asks for beyond the rules, and what an admin makes of it.

A grant makes exactly what was asked: the address with another name, the entitlement to a domain until
the waiver's end, or a later end of the grace time.
"""

from dataclasses import dataclass
from datetime import date, datetime

from core.aliases import give_again, give_new
from core.audit import Actor, record
from core.database import write
from core.models import Alias, Domain, Person, Waiver, by_id
from core.notices import tell_admins, tell_person
from core.ownership import NotYours, lock_person, recipients_of
from core.roles import first_recipient
from core.routing import Entitlement
from core.translation import N_
from core.upkeep import keep_up
from core.waiver_rules import (
    LONGEST_REASON,
    SHORTEST_REASON,
    Kind,
    State,
    WaiverProblem,
    check,
    clean,
    end_of,
    ending,
)


@dataclass(frozen=True)
class Request:
    """What somebody asks for, as they typed it."""

    kind: Kind
    domain: Domain
    reason: str
    local_part: str = ""
    """For another name."""
    until: date | None = None
    """The last day: needed for a later end, as they like for a domain."""


def ask(person_id: int, request: Request, record_secret: str, now: datetime) -> Waiver:
    """Put a request before the admins.

    record_secret: the setting, to know an erased owner's name again. Raises WaiverProblem.
    """
    reason = clean(request.reason)
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        text = N_("Say why, in %(least)s to %(most)s characters.")
        raise WaiverProblem(text, least=SHORTEST_REASON, most=LONGEST_REASON)
    with write():
        person = lock_person(person_id)
        domain = Domain.get_by_id(request.domain.id)
        names_it = request.kind is Kind.LOCAL_PART
        waiver = Waiver(
            person=person,
            kind=request.kind,
            domain=domain,
            local_part=request.local_part.strip().lower() if names_it else None,
            reason=reason,
            state=State.ASKED,
            ends_at=end_of(request.until) if request.until and not names_it else None,
            asked_at=now,
        )
        same = (Waiver.kind == request.kind) & (Waiver.domain == domain) & (Waiver.state == State.ASKED)
        if Waiver.select().where(Waiver.person == person, same).exists():
            raise WaiverProblem(N_("You have asked for this already, and no admin has decided yet."))
        check(waiver, record_secret, now)
        waiver.save()
        record(Actor.person(person.id), "waiver-asked", _ids(waiver), _values(waiver), now)
        tell_admins(domain, "waiver-asked", person, {"waiver": waiver.id}, f"waiver-asked:{waiver.id}", now)
        return waiver


def withdraw(person_id: int, waiver_id: int, now: datetime) -> None:
    """Take one's own request back; does nothing when that is done.

    Raises WaiverProblem when an admin has decided meanwhile, and NotYours when it is another's.
    """
    with write():
        person = lock_person(person_id)
        waiver = by_id(Waiver, waiver_id)
        if waiver is None or waiver.person_id != person.id:
            raise NotYours("no such waiver of this person")
        if waiver.state in (State.GRANTED, State.REFUSED):
            raise WaiverProblem(N_("An admin has decided already."))
        if waiver.state == State.ASKED:
            _decide(Actor.person(person.id), waiver, State.WITHDRAWN, "", now)


def grant(
    actor: Actor,
    waiver_id: int,
    record_secret: str,
    now: datetime,
    *,
    until: date | None = None,
    answer: str = "",
) -> Waiver:
    """Grant a request: make what was asked, and tell the person.

    until: another last day than was asked for. answer: a word to the person. Raises WaiverProblem
    when it is decided already or can no longer be had, or is the actor's own; NotYours when there is none.
    """
    with write():
        waiver = _undecided(actor, waiver_id)
        if until is not None:
            if waiver.kind == Kind.LOCAL_PART:
                raise WaiverProblem(N_("An address with another name has no last day."))
            waiver.ends_at = end_of(until)
        check(waiver, record_secret, now)
        if waiver.kind == Kind.LOCAL_PART:
            _give_name(actor, waiver, now)
        elif waiver.kind == Kind.GRACE:
            _move_end(actor, waiver, now)
        _decide(actor, waiver, State.GRANTED, answer, now)
        if waiver.kind == Kind.DOMAIN:
            keep_up([waiver.person], now, actor)  # an address there that was about to end stays
        _tell(waiver, now)
        return waiver


def refuse(actor: Actor, waiver_id: int, answer: str, now: datetime) -> Waiver:
    """Refuse a request with a reason, and tell the person.

    Raises WaiverProblem without a reason or when it is decided already, and NotYours when there is none.
    """
    if not clean(answer):
        raise WaiverProblem(N_("Give the person a reason."))
    with write():
        waiver = _undecided(actor, waiver_id)
        _decide(actor, waiver, State.REFUSED, answer, now)
        _tell(waiver, now)
        return waiver


def end(actor: Actor, waiver_id: int, now: datetime) -> Waiver:
    """End a granted entitlement to a domain now; does nothing when it has ended.

    What follows for addresses there is what follows when a team is left. Raises WaiverProblem for what
    has no end, and NotYours when there is none.
    """
    with write():
        waiver = _locked(waiver_id)
        if waiver.kind != Kind.DOMAIN or waiver.state != State.GRANTED:
            raise WaiverProblem(N_("Only a granted entitlement to a domain can be ended."))
        if waiver.ends_at is None or waiver.ends_at > now:
            values = _values(waiver)
            waiver.ends_at = now
            waiver.save()
            record(actor, "waiver-ended", _ids(waiver), values, now)
            keep_up([waiver.person], now, actor)
        return waiver


def waivers_of(person: Person) -> list[Waiver]:
    """Return a person's requests with their domains, the newest first."""
    query = Waiver.select(Waiver, Domain).join(Domain).where(Waiver.person == person)
    return list(query.order_by(Waiver.id.desc()))


def _give_name(actor: Actor, waiver: Waiver, now: datetime) -> None:
    person, domain, name = waiver.person, waiver.domain, str(waiver.local_part)
    alias = Alias.get_or_none(Alias.domain == domain, Alias.local_part == name)
    if alias is None:
        give_new(actor, person, domain, name, first_recipient(person), now, by_self_service=False)
        return
    alias.by_self_service = False
    target = None if recipients_of(alias) else first_recipient(person)
    give_again(actor, alias, person, target, now)


def _move_end(actor: Actor, waiver: Waiver, now: datetime) -> None:
    for alias in ending(waiver):
        values = {"alias": alias.text, "before": alias.grace_until, "after": waiver.ends_at}
        alias.entitlement, alias.grace_until = Entitlement.GRACE, waiver.ends_at
        alias.grace_told = None
        alias.save()
        record(actor, "grace-moved", {"alias": alias.id, "person": waiver.person_id}, values, now)


def _locked(waiver_id: int) -> Waiver:
    """Load a waiver and lock its person; raises NotYours when there is none."""
    waiver = by_id(Waiver, waiver_id)
    if waiver is None:
        raise NotYours("no such waiver")
    lock_person(waiver.person_id)
    return Waiver.get_by_id(waiver_id)


def _undecided(actor: Actor, waiver_id: int) -> Waiver:
    waiver = _locked(waiver_id)
    if actor == Actor.person(waiver.person_id):
        raise WaiverProblem("This is your own request: another admin decides.")
    if waiver.state != State.ASKED:
        raise WaiverProblem(N_("It is decided already: %(state)s."), state=waiver.state)
    return waiver


def _decide(actor: Actor, waiver: Waiver, state: State, answer: str, now: datetime) -> None:
    waiver.answer = clean(answer)
    if len(waiver.answer) > LONGEST_REASON:
        raise WaiverProblem(N_("An answer has at most %(most)s characters."), most=LONGEST_REASON)
    waiver.state, waiver.decided_at = state, now
    waiver.save()
    record(actor, f"waiver-{state}", _ids(waiver), _values(waiver), now)


def _tell(waiver: Waiver, now: datetime) -> None:
    kind = f"waiver-{waiver.state}"
    tell_person(waiver.person, kind, {"waiver": waiver.id}, f"{kind}:{waiver.id}", now)


def _ids(waiver: Waiver) -> dict[str, int]:
    return {"waiver": waiver.id, "person": waiver.person_id, "domain": waiver.domain_id}


def _values(waiver: Waiver) -> dict[str, object]:
    names = ("kind", "local_part", "ends_at", "reason", "answer")
    return {name: getattr(waiver, name) for name in names if getattr(waiver, name)}
