"""Domains that give members their address without a claim, at the first look that says so after a sign-in."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from peewee import IntegrityError, chunked, fn

from core.addresses import parse_address
from core.alias_recipients import attach, mark_reachable
from core.aliases import local_part_of, name_problem, reserved_name_like
from core.audit import Actor, record
from core.database import connection, write
from core.domains import is_ours
from core.eligibility import decide
from core.models import Alias, Domain, DomainTeam, Membership, Person
from core.notices import tell_admins, tell_person
from core.ownership import lock_people
from core.prepared import Prepared
from core.roles import first_recipient
from core.routing import Entitlement, Switch
from core.standing import facts_of_all, rules_of_all

JOB = Actor("job:provisioning")
CHUNK = 50
MADE, MADE_OFF = "address-made", "address-made-off"
"""Kinds of notices to the owner: it works; it waits for a mailbox."""


_AUTOMATIC = Prepared(
    lambda _value: Domain.select(Domain.id).where(Domain.automatic == True).limit(1)  # noqa: E712 -- SQL
)


def provide(people: Iterable[Person], now: datetime) -> None:
    """Give some people the addresses that automatic domains have for them.

    people: locked by the transaction in which this runs. The mailbox is the first proven one, which
    the sign-in address is. Without one nothing is made; when the sign-in address is one of our own,
    such as the new address itself, it is made switched off. Whoever has, or had, an address on the
    domain gets none: one that ended comes back, one that was given up does not.
    """
    if next(_AUTOMATIC(), None) is None:
        return
    domains = [(domain, rules) for domain, rules in rules_of_all() if domain.automatic]
    people = list(people)
    facts = facts_of_all(people)
    for person in people:
        for domain, rules in domains:
            if decide(facts[person.id], rules, now).claimable:
                _provide_one(person, domain, now)


def _provide_one(person: Person, domain: Domain, now: datetime) -> None:
    own = list(Alias.select().where(Alias.person == person, Alias.domain == domain))
    for alias in own:
        if alias.entitlement == Entitlement.ENDED and alias.switch != Switch.GIVEN_UP:
            _give_back(alias, person, now)
    local_part = local_part_of(person)
    if own or local_part is None or name_problem(domain, local_part) is not None:
        return
    if Alias.select().where(Alias.domain == domain, Alias.local_part == local_part).exists():
        return
    mailbox = first_recipient(person)
    circular = _signs_in_with_ours(person)
    if mailbox is None and not circular:
        return
    switch = Switch.ON if mailbox is not None else Switch.OFF_LATER
    row = {"domain": domain, "local_part": local_part, "person": person, "switch": switch}
    row["looks_like"] = reserved_name_like(domain, local_part)
    try:
        with write():
            alias = Alias.create(**row, switched_at=now, created_at=now)
    except IntegrityError:  # somebody with the same name was faster just now
        return
    if mailbox is not None:
        attach(alias, mailbox)
    mark_reachable(alias, now)
    ids = {"alias": alias.id, "person": person.id, "domain": domain.id}
    values = {"alias": alias.text, "recipient": mailbox.address if mailbox is not None else None}
    record(JOB, "alias-provided", ids, values, now)
    tell_admins(domain, "address-created", person, {"alias": alias.id}, f"created:{alias.id}", now)
    kind = MADE if mailbox is not None else MADE_OFF
    tell_person(person, kind, {"alias": alias.id}, f"{kind}:{alias.id}:owner", now)
    if mailbox is None:
        tell_admins(domain, MADE_OFF, person, {"alias": alias.id}, f"{MADE_OFF}:{alias.id}", now)


def _give_back(alias: Alias, person: Person, now: datetime) -> None:
    alias.entitlement, alias.grace_until, alias.grace_told = Entitlement.ENTITLED, None, None
    alias.save()
    ids = {"alias": alias.id, "person": person.id, "domain": alias.domain_id}
    record(JOB, "alias-taken-again", ids, {"alias": alias.text}, now)
    tell_person(person, MADE, {"alias": alias.id}, f"{MADE}:{alias.id}:{int(now.timestamp())}", now)


def _signs_in_with_ours(person: Person) -> bool:
    """Whether the proven sign-in address is on one of our own domains: mail would run in a circle."""
    if not person.sign_in_email or not person.sign_in_email_proven:
        return False
    return is_ours(parse_address(person.sign_in_email).domain)


def provide_all(now: datetime) -> int:
    """Look at everyone who may have an address coming, as after a domain was made automatic or proven.

    Opens its own connection and short transactions. Returns how many people were looked at.
    """
    with connection():
        people = _without_an_address()
        for some in chunked(people, CHUNK):
            with write():
                provide(lock_people(some), now)
    return len(people)


def _without_an_address() -> list[int]:
    """Find the members of automatic domains' teams who have no address there."""
    has_one = Alias.select(1).where(
        Alias.person == Membership.person,
        Alias.domain == Domain.id,
        (Alias.entitlement != Entitlement.ENDED) | (Alias.switch == Switch.GIVEN_UP),
    )
    query: Any = (
        Membership.select(Membership.person)
        .join(DomainTeam, on=DomainTeam.team == Membership.team)
        .join(Domain)
        .where(
            Domain.automatic == True,  # noqa: E712 -- SQL
            Domain.verified_at.is_null(False),
            Domain.removed_at.is_null(),
            Domain.closed_at.is_null(),
            Domain.waits_for_admin == False,  # noqa: E712 -- SQL
            Membership.holds == True,  # noqa: E712 -- SQL
            ~fn.EXISTS(has_one),
        )
        .order_by(Membership.person)
        .distinct()
    )
    return [person_id for (person_id,) in query.tuples()]
