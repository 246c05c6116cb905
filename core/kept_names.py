"""Names that admins keep back beside the words of our own, and addresses that look like a reserved name."""

from datetime import datetime

from peewee import JOIN

from core.addresses import is_claimable_local_part
from core.audit import Actor, record
from core.database import lock_for_all, write
from core.models import Alias, Domain, Person, ReservedName, by_id
from core.paging import Slice, slice_of
from core.reserved import class_of
from core.translation import N_, ToldError

_LOCK = 0x4B45_5054  # any number that only this list uses


class NameProblem(ToldError):
    """The name cannot be kept back; the message says why, for the admin who typed it."""


def kept_names(domains: frozenset[int] | None, after: int | None) -> Slice[ReservedName]:
    """Return a page of the names that admins added, the newest first, with their domains.

    domains: ids of those that may be seen beside the names kept back everywhere; None for all.
    """
    query = ReservedName.select(ReservedName, Domain).join(Domain, JOIN.LEFT_OUTER)
    if domains is not None:
        query = query.where(ReservedName.domain.is_null() | ReservedName.domain.in_(list(domains)))
    return slice_of(query, ReservedName.id, after, newest_first=True)


def keep_back(actor: Actor, domain: Domain | None, text: str, now: datetime) -> ReservedName:
    """Keep a name back, on one domain or on all. Whoever has it already keeps it.

    text: as typed; the whole local part. Raises NameProblem.
    """
    name = text.strip().lower()
    if not is_claimable_local_part(name):
        raise NameProblem(N_("A name has letters from a to z, digits, and dots or - between them."))
    if class_of(name) is not None:
        raise NameProblem(N_("This name is kept back everywhere already."))
    with write():
        lock_for_all(_LOCK)
        here = ReservedName.domain.is_null()
        if domain is not None:
            here |= ReservedName.domain == domain
        if ReservedName.select().where(ReservedName.local_part == name, here).exists():
            raise NameProblem(N_("This name is kept back there already."))
        row = ReservedName.create(domain=domain, local_part=name)
        record(actor, "name-kept-back", _ids(row), _values(row), now)
        return row


def let_go(actor: Actor, name_id: int, now: datetime) -> bool:
    """Stop keeping a name back. Returns False when that is done."""
    with write():
        row = by_id(ReservedName, name_id)
        if row is None:
            return False
        row.delete_instance()
        record(actor, "name-let-go", _ids(row), _values(row), now)
        return True


def look_alikes(domains: frozenset[int] | None, after: int | None) -> Slice[Alias]:
    """Return a page of the addresses that look like a reserved name and wait for an admin, the newest first.

    domains: ids of those that may be seen; None for all.
    """
    query = Alias.select(Alias, Domain, Person).join(Domain).join_from(Alias, Person, JOIN.LEFT_OUTER)
    flagged = Alias.alias()
    query = query.where(
        Alias.id.in_(flagged.select(flagged.id).where(flagged.looks_like > ""))
    )  # by its index
    if domains is not None:
        query = query.where(Alias.domain.in_(list(domains)))
    return slice_of(query, Alias.id, after, newest_first=True)


def accept_look_alike(actor: Actor, alias_id: int, now: datetime) -> bool:
    """Take an address off that list, since it is meant as it is. Returns False when that is done."""
    with write():
        alias = by_id(Alias, alias_id)
        if alias is None or alias.looks_like is None:
            return False
        values = {"alias": alias.text, "looks_like": alias.looks_like}
        Alias.update(looks_like=None).where(Alias.id == alias.id).execute()
        record(actor, "look-alike-accepted", {"alias": alias.id, "domain": alias.domain_id}, values, now)
        return True


def _ids(row: ReservedName) -> dict[str, int]:
    return {"reserved_name": row.id} | ({"domain": row.domain_id} if row.domain_id is not None else {})


def _values(row: ReservedName) -> dict[str, object]:
    return {"name": row.local_part, "domain": row.domain.name if row.domain else None}
