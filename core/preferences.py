"""Which notices a person may switch off. Everything that guards an account or an address always comes."""

import json
from enum import StrEnum

from core.models import Identity, Person, RoleGrant


class Topic(StrEnum):
    """A group of notices that may be switched off together."""

    REQUESTS = "requests"
    """Answers to one's own requests: the page shows them too."""
    NEW_ADDRESSES = "new-addresses"
    """For admins: somebody claimed an address."""
    REQUESTS_OF_OTHERS = "requests-of-others"
    """For admins: somebody asked for a waiver."""


KINDS = {
    Topic.REQUESTS: ("waiver-granted", "waiver-refused"),
    Topic.NEW_ADDRESSES: ("address-created",),
    Topic.REQUESTS_OF_OTHERS: ("waiver-asked",),
}
"""The kinds of notice of each topic (`core/templates/letters/`). What is not here cannot be switched off."""

MUTABLE = frozenset(kind for kinds in KINDS.values() for kind in kinds)

FOR_ADMINS = (Topic.NEW_ADDRESSES, Topic.REQUESTS_OF_OTHERS)


def topics_for(person: Person) -> list[Topic]:
    """Return what a person may switch off: all of it for admins."""
    same = (RoleGrant.issuer == Identity.issuer) & (RoleGrant.subject == Identity.subject)
    is_admin = Identity.select().join(RoleGrant, on=same).where(Identity.person == person).exists()
    return [topic for topic in Topic if is_admin or topic not in FOR_ADMINS]


def muted_topics(person: Person) -> set[Topic]:
    """Return what a person has switched off."""
    return {topic for topic in Topic if topic in json.loads(person.muted)}


def is_muted(person: Person | None, kind: str) -> bool:
    """Whether a person does not want this kind of notice. Nobody in particular wants all."""
    return person is not None and any(kind in KINDS[topic] for topic in muted_topics(person))
