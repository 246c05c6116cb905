"""Two people who turn out to be one account of the directory become one person.

After a merge two identities lead to one account; and whoever comes with a new identity may have an
account that is known here under an earlier name.
"""

from datetime import datetime
from typing import Any

from peewee import ForeignKeyField

from core.audit import Actor, record
from core.database import lock_for_all
from core.directories import Account
from core.facts import Answer
from core.models import (
    AccountFact,
    Alias,
    AliasOwner,
    AliasRecipient,
    Identity,
    Membership,
    Person,
    Recipient,
)
from core.notices import tell_person
from core.ownership import lock_people
from core.prepared import Prepared
from core.sessions import end_all_sessions
from core.standing import facts_of

NEWCOMERS = 0x5741_594E
"""Lock number: of two who turn out to be one, the second must find the first."""


_WITH = Prepared(
    lambda value: (
        Person.select()
        .where(Person.launchpad_name == value("name"), Person.account_created == value("created"))
        .order_by(Person.id)
    )
)


def people_with(account: Account) -> list[Person]:
    """Return the people who have this account, by name and birth; two only until they are joined."""
    return list(_WITH(name=account.name, created=account.created))


def perhaps_the_same(account: Account) -> list[int]:
    """Return the people whose account was born at the same moment and had another name when last seen.

    They must be asked about before `account` is taken for a new one: it may have been renamed.
    """
    born = (Person.account_created == account.created) & (Person.launchpad_name != account.name)
    return [person.id for person in Person.select().where(born).order_by(Person.id)]


def is_banned(account: Account) -> bool:
    """Whether this account's person is banned, also when it is known by an earlier name only.

    Someone else of the same birth counts unless the directory said that theirs is another account.
    """
    banned = Person.select().where(Person.account_created == account.created, Person.banned_at.is_null(False))
    for person in banned:
        valid = facts_of(person).valid
        if person.launchpad_name == account.name or valid is None or valid.settled is not Answer.YES:
            return True
    return False


def lock_all_with(account: Account | None, person_id: int | None) -> list[Person]:
    """Lock a person and whoever else has the account, in the one order that everybody keeps."""
    ids = {person.id for person in people_with(account)} if account is not None else set()
    if person_id is not None:
        ids.add(person_id)
    if len(ids) > 1:
        lock_for_all(NEWCOMERS)
    return lock_people(ids)


def join_all(account: Account, person: Person, now: datetime) -> Person:
    """Make one person of `person` and of whoever else has the account; return whom they are now.

    The one who had the account first stays. In a transaction that has called `lock_all_with`.
    """
    others = [other for other in people_with(account) if other.id != person.id]
    if not others:
        return person
    locked = {row.id: row for row in lock_people([person.id, *(other.id for other in others)])}
    had_it = (locked[person.id].launchpad_name, locked[person.id].account_created) == (
        account.name,
        account.created,
    )
    first = min(locked) if had_it else min(other.id for other in others)
    for other_id in sorted(locked.keys() - {first}):
        _join(locked[first], locked[other_id], now)
    return Person.get_by_id(first)


def _join(kept: Person, gone: Person, now: datetime) -> None:
    """Give everything of one person to another, and delete the empty row."""
    aliases = [alias.text for alias in Alias.select().where(Alias.person == gone).order_by(Alias.id)]
    identities = list(Identity.select().where(Identity.person == gone).order_by(Identity.id))
    _join_recipients(kept, gone)
    owned = AliasOwner.select(AliasOwner.alias).where(AliasOwner.person == kept)
    AliasOwner.delete().where(AliasOwner.person == gone, AliasOwner.alias.in_(owned)).execute()
    for facts in (Membership, AccountFact):  # the account is the same: what was read of it is known of `kept`
        facts.delete().where(facts.person == gone).execute()
    for key, table in _whatever_belongs_to_people():
        table.update({key.name: kept.id}).where(key == gone.id).execute()
    ids, values = {"person": kept.id, "gone": gone.id}, {"aliases": aliases, "name": gone.launchpad_name}
    record(Actor.person(kept.id), "people-joined", ids, values, now)
    for identity in identities:
        tell_person(kept, "identity-joined", {"person": kept.id}, f"joined:{identity.id}", now)
    if gone.banned_at is not None and kept.banned_at is None:
        kept.banned_at = gone.banned_at
        kept.save()
    if kept.banned_at is not None:
        end_all_sessions(kept)
    gone.delete_instance()


def _whatever_belongs_to_people() -> list[tuple[ForeignKeyField, Any]]:
    """Return every reference to a person that there is in any table."""
    return list(Person._meta.backrefs.items())


def _join_recipients(kept: Person, gone: Person) -> None:
    """Leave one of two recipients that are the same mailbox: proven, if one of them is."""
    known = {row.address_key: row for row in Recipient.select().where(Recipient.person == kept)}
    for recipient in Recipient.select().where(Recipient.person == gone):
        same = known.get(recipient.address_key)
        if same is None:
            continue
        there = AliasRecipient.select(AliasRecipient.alias).where(AliasRecipient.recipient == same)
        of_gone = AliasRecipient.recipient == recipient
        AliasRecipient.delete().where(of_gone, AliasRecipient.alias.in_(there)).execute()
        AliasRecipient.update(recipient=same).where(of_gone).execute()
        AliasRecipient.update(replaces=same.id).where(AliasRecipient.replaces == recipient.id).execute()
        if same.verified_at is None and recipient.verified_at is not None:
            same.verified_at, same.proof_nonce = recipient.verified_at, None
            same.save()
        recipient.delete_instance()
