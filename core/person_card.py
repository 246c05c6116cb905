"""Everything that an admin sees of one person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.audit import Actor, record
from core.database import write
from core.eligibility import PersonFacts
from core.history import Change, history_of_person, history_of_rows
from core.models import Identity, Person, Recipient, Waiver
from core.overview import AliasView, alias_views
from core.person_search import has_address_on
from core.sessions import sessions_of
from core.standing import facts_of
from core.waivers import waivers_of


@dataclass(frozen=True)
class PersonCard:
    """One person, as far as an admin may see them."""

    person: Person
    identities: Sequence[Identity]
    facts: PersonFacts
    """What the directory said, with the age of each answer."""
    aliases: Sequence[AliasView]
    recipients: Sequence[Recipient]
    """All mailboxes of theirs; for an admin of some domains those behind the addresses there."""
    waivers: Sequence[Waiver]
    sessions: int
    """How many browsers are signed in."""
    history: Sequence[Change]
    """The newest changes first."""


def may_see(person: Person, domains: frozenset[int] | None) -> bool:
    """Whether an admin of these domains (None: of all) may see a person."""
    if domains is None:
        return True
    return Person.select().where(Person.id == person.id, has_address_on(domains)).exists()


def person_card(person: Person, domains: frozenset[int] | None, now: datetime) -> PersonCard:
    """Gather what admins see of a person. domains: ids of those that they may see; None for all."""
    views = alias_views(person, now, given_up=True)
    requests = waivers_of(person)
    if domains is not None:
        views = [view for view in views if view.alias.domain_id in domains]
        requests = [row for row in requests if row.domain_id in domains]
    seen = [view.alias.id for view in views]
    return PersonCard(
        person,
        list(Identity.select().where(Identity.person == person).order_by(Identity.id)),
        facts_of(person),
        views,
        _recipients(person, views, domains),
        requests,
        len(sessions_of(person, now)),
        history_of_person(person) if domains is None else history_of_rows({"alias": seen}),
    )


def _recipients(
    person: Person, views: Sequence[AliasView], domains: frozenset[int] | None
) -> list[Recipient]:
    behind = {row.recipient_id: row.recipient for view in views for row in view.rows}
    if domains is None:
        own = Recipient.select().where(Recipient.person == person).order_by(Recipient.id)
        behind = {row.id: row for row in own} | behind
    return [behind[row_id] for row_id in sorted(behind)]


def note_looked(actor: Actor, person: Person, now: datetime) -> None:
    """Write down that somebody looked at a person's private addresses in full."""
    with write():
        record(actor, "mailboxes-shown", {"person": person.id}, {"name": person.launchpad_name}, now)
