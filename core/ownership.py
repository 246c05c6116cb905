"""Who may change what: a person's row as the lock, and the aliases that are theirs."""

from collections.abc import Iterable
from typing import Any

from core.database import database
from core.models import MOST_ID, Alias, AliasRecipient, Person, Recipient, by_id
from core.prepared import Prepared, Slots
from core.routing import Switch


class NotYours(LookupError):
    """There is no such row of this person: it is another's, given up, or was never there; or they left."""


def lock_person(person_id: int) -> Person:
    """Load a person and let nobody else change their aliases until the transaction ends.

    Raises NotYours when they were erased meanwhile, and for a number that nobody can have.
    """
    if not 0 < person_id < MOST_ID:
        raise NotYours("nobody can have this number")
    query = Person.select().where(Person.id == person_id)
    if database.obj.for_update:  # SQLite's write transaction has the whole database already
        query = query.for_update()
    person = query.first()
    if person is None:
        raise NotYours("this person was erased")
    return person  # type: ignore[no-any-return]


def _people_to_lock(value: Slots) -> Any:
    query = Person.select().where(Person.id.in_(value.each("ids"))).order_by(Person.id)
    return query.for_update() if database.obj.for_update else query


_LOCKED = Prepared(_people_to_lock)


def lock_people(person_ids: Iterable[int]) -> list[Person]:
    """Load those of several people that are still there and lock them as `lock_person` does, in one order."""
    return list(_LOCKED(ids=sorted(one for one in person_ids if 0 < one < MOST_ID)))


def own_alias(person: Person, alias_id: int) -> Alias:
    """Return an alias that the person owns and has not given up; raises NotYours otherwise."""
    alias = by_id(Alias, alias_id)
    if alias is None or alias.person_id != person.id or alias.switch == Switch.GIVEN_UP:
        raise NotYours("no such alias of this person")
    return alias  # type: ignore[no-any-return]


def recipients_of(alias: Alias) -> list[Recipient]:
    """Return the recipients of an alias in order."""
    query = (
        Recipient.select()
        .join(AliasRecipient)
        .where(AliasRecipient.alias == alias)
        .order_by(AliasRecipient.position)
    )
    return list(query)
