"""People as admins find them: by how a name, an address, an alias or a recipient begins, and by filters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from peewee import Select, fn

from core.database import EPOCH, begins_with, database
from core.models import MOST_ID, Alias, AliasOwner, Domain, Person, Recipient
from core.paging import PAGE_SIZE, Slice, slice_of
from core.routing import Hold

PRIVATE_FROM = 3
"""Private addresses are searched from so many characters on."""
LONGEST = 320


@dataclass(frozen=True)
class Filter:
    """Who is wanted; what is empty does not narrow."""

    search: str = ""
    """How their Launchpad name, display name or alias begins, or their sign-in address or a recipient."""
    state: str = ""
    """`banned`, or `held` for those of whom an address is held."""
    domain: str = ""
    """The name of a domain on which they have, or had, an address."""


def find_people(
    wanted: Filter,
    domains: frozenset[int] | None,
    after: int | None,
    *,
    private: bool,
    newest_first: bool = False,
) -> Slice[Person]:
    """Return a page of people in the order in which they came, or the other way round.

    domains: ids of those that may be seen: people with an address there are; None for all. private:
    whether sign-in addresses and recipients may be searched, too.
    """
    query = Person.select()
    places = _places(wanted, domains)
    searched = bool(wanted.search.strip())
    if searched and places is None and not wanted.state:
        ids = _next_named(wanted.search, after, private=private, newest_first=newest_first)
        query = query.where(Person.id.in_(ids))
    elif searched:
        query = query.where(Person.id.in_(_named(wanted.search, private)))
    if wanted.state == "banned":
        query = query.where(Person.id.in_(_other(Person.id, Person.banned_at > EPOCH)))
    elif wanted.state == "held":
        held = Alias.hold < Hold.NONE  # as the others stand in the alphabet, so that the index serves
        query = query.where(Person.id.in_(Alias.select(Alias.person).where(held)))
    if places is not None and (searched or wanted.state):
        query = query.where(has_address_on(places))
    elif places is not None:
        query = query.where(Person.id.in_(_next_on(places, after, newest_first=newest_first)))
    return slice_of(query, Person.id, after, newest_first=newest_first)


def _places(wanted: Filter, domains: frozenset[int] | None) -> frozenset[int] | None:
    """Return the ids of the domains on which people must have an address; None when it does not matter."""
    if not wanted.domain:
        return domains
    chosen = frozenset(row.id for row in Domain.select().where(Domain.name == wanted.domain))
    return chosen if domains is None else chosen & domains


def _next_on(domains: Iterable[int], after: int | None, *, newest_first: bool) -> set[int]:
    """Return the ids of the people among whom the next page of those with an address on a domain is.

    From the index of each domain come no more than a page needs.
    """
    bound = Alias.person < (after or MOST_ID) if newest_first else Alias.person > (after or 0)
    order = Alias.person.desc() if newest_first else Alias.person.asc()
    role = Alias.alias()
    roles = role.select(role.id).where(role.shared == True)  # noqa: E712 -- SQL: few, by their index
    shared = AliasOwner.select(AliasOwner.person).join(Alias).where(AliasOwner.alias.in_(roles))
    found = _ids(shared.where(Alias.domain.in_(sorted(domains))))
    for domain in domains:
        own = Alias.select(Alias.person).distinct().where(Alias.domain == domain, bound)
        found |= _ids(own.order_by(order).limit(PAGE_SIZE + 1))
    return found


def _next_named(search: str, after: int | None, *, private: bool, newest_first: bool) -> set[int]:
    """Return the ids of the next people of whom something begins so: found before their rows are read."""
    found = _named(search, private).alias("found")
    bound = found.c.id < (after or MOST_ID) if newest_first else found.c.id > (after or 0)
    order = found.c.id.desc() if newest_first else found.c.id.asc()
    page = Select([found], [found.c.id]).where(bound).order_by(order).limit(PAGE_SIZE + 1)
    return _ids(page.bind(database.obj))


def _ids(query: Any) -> set[int]:
    return {row_id for (row_id,) in query.tuples()}


def has_address_on(domains: Iterable[int]) -> Any:
    """Return the condition that a person has, or had, an address on one of these domains (by their ids)."""
    ids = sorted(domains)
    own = Alias.select(1).where(Alias.person == Person.id, Alias.domain.in_(ids))
    shared = AliasOwner.select(1).join(Alias).where(AliasOwner.person == Person.id, Alias.domain.in_(ids))
    return fn.EXISTS(own) | fn.EXISTS(shared)


def addresses_of(people: Iterable[Person], domains: frozenset[int] | None) -> Mapping[int, list[str]]:
    """Return the addresses of some people by the people's ids, as far as they may be seen."""
    query: Any = Alias.select(Alias.person, Alias.local_part, Domain.name).join(Domain)
    query = query.where(Alias.person.in_([one.id for one in people]))
    if domains is not None:
        query = query.where(Alias.domain.in_(list(domains)))
    found: dict[int, list[str]] = {}
    for person, local_part, domain in query.order_by(Alias.id).tuples():
        found.setdefault(person, []).append(f"{local_part}@{domain}")
    return found


def _named(search: str, private: bool) -> Any:
    """Return the ids of those of whom something begins so."""
    text = search.strip().lower()[:LONGEST]
    if not text.isprintable():  # a name, or an address, has no such character
        return Person.select(Person.id).where(Person.id < 0)
    local_part, at, domain = text.partition("@")
    here = begins_with(Alias.local_part, local_part)
    if at:
        here = (Alias.local_part == local_part) & Alias.domain.in_(_domains(domain))
    shared = AliasOwner.select(AliasOwner.person).join(Alias).where(here)
    ids = [
        _other(Person.id, begins_with(Person.launchpad_name, text)),
        _other(Person.id, begins_with(Person.name_key, text)),
        Alias.select(Alias.person).where(here),
        shared,
    ]
    if private and len(text) >= PRIVATE_FROM:
        ids.append(_other(Person.id, begins_with(Person.sign_in_key, text)))
        behind = Recipient.select(Recipient.person)
        ids.append(behind.where(begins_with(Recipient.address_key, text), Recipient.person.is_null(False)))
    union = ids[0]
    for more in ids[1:]:
        union = union | more
    return union


def _domains(beginning: str) -> list[int]:
    """Return the domains, of which there are few, whose name begins so."""
    return [row.id for row in Domain.select() if row.name.startswith(beginning)]


def _other(column: Any, condition: Any) -> Any:
    """Select a column of people; peewee gives the table in a subquery a name of its own."""
    return Person.select(column).where(condition)
