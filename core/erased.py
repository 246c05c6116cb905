"""Owners who were erased: a keyed hash is all that is left of them, and by it they are known again.

What stays of an erased person is (domain, local part, HMAC(secret, issuer ‖ subject)), one hash for each
of their identities: the name goes to nobody else, and they may have it again.
"""

from collections.abc import Iterable
from datetime import datetime

from core.models import Alias, ErasedOwner, Identity, Person
from core.routing import Hold, Switch
from core.secrets import derive_key, keyed_hash


def owner_hashes(person: Person, record_secret: str) -> list[str]:
    """Return the hash of each of a person's identities. record_secret: the setting of that name."""
    key = derive_key(record_secret, "erased owner")
    identities = Identity.select().where(Identity.person == person).order_by(Identity.id)
    return [keyed_hash(key, identity.issuer, identity.subject) for identity in identities]


def names_left_by(person: Person, record_secret: str, among: Iterable[int]) -> set[int]:
    """Return which of these aliases were theirs before they were erased. among: ids of aliases."""
    ids = list(among)
    if not ids:
        return set()
    rows = ErasedOwner.select().where(
        ErasedOwner.alias.in_(ids), ErasedOwner.owner.in_(owner_hashes(person, record_secret))
    )
    return {row.alias_id for row in rows}


def block_name(alias: Alias, hashes: Iterable[str], now: datetime) -> None:
    """Put a bare name in an alias's place: nobody's, given up, and known again by these hashes only.

    It is a new row, so that the record, which speaks of rows, does not lead from the name to the past.
    An admin's hold stays: it is on the name. In a transaction.
    """
    hold = Hold.ADMIN if alias.hold == Hold.ADMIN else Hold.NONE
    alias.delete_instance()
    bare = Alias.create(
        domain=alias.domain_id,
        local_part=alias.local_part,
        by_self_service=alias.by_self_service,
        switch=Switch.GIVEN_UP,
        switched_at=now,
        created_at=now,
        hold=hold,
    )
    for owner in hashes:
        ErasedOwner.create(alias=bare, owner=owner)
