"""The first admin: a link that only the operator makes, and that works once, for whoever is signed in."""

from datetime import datetime, timedelta

from core.audit import OPERATOR, Actor, record
from core.database import lock_for_all, write
from core.models import AdminLink, Identity
from core.ownership import lock_person
from core.roles import Role, grant
from core.secrets import equal, new_token, token_hash

LASTS = timedelta(hours=24)
_LOCK = 0x4C49_4E4B  # any number that only these links use


class LinkRefused(Exception):
    """The link makes nobody an admin: it is used, replaced by a newer one, too old, or was never made."""


def make_link(now: datetime) -> str:
    """Make a link's token, which is stored only as a hash; every earlier link stops working."""
    with write():
        lock_for_all(_LOCK)
        AdminLink.delete().execute()
        token = new_token()
        row = AdminLink.create(token_hash=token_hash(token), expires_at=now + LASTS)
        record(OPERATOR, "admin-link-made", {"admin_link": row.id}, {"expires_at": row.expires_at}, now)
        return token


def is_good(token: str, now: datetime) -> bool:
    """Whether a link would work now."""
    return _find(token, now) is not None


def use_link(person_id: int, token: str, issuer: str, now: datetime) -> None:
    """Make a signed-in person an admin of the project; the link is used up.

    issuer: of the identities that sign in here. Raises LinkRefused.
    """
    with write():
        lock_for_all(_LOCK)
        person = lock_person(person_id)
        row = _find(token, now)
        own = (Identity.person == person) & (Identity.issuer == issuer)
        identity = Identity.select().where(own).order_by(Identity.id.desc()).first()
        if row is None or identity is None or person.banned_at is not None:
            raise LinkRefused
        row.delete_instance()
        ids = {"admin_link": row.id, "person": person.id}
        record(Actor.person(person.id), "admin-link-used", ids, {"subject": identity.subject}, now)
        grant(OPERATOR, identity.issuer, identity.subject, Role.PROJECT_ADMIN, None, now)


def _find(token: str, now: datetime) -> AdminLink | None:
    given = token_hash(token)
    live = AdminLink.select().where(AdminLink.expires_at > now)  # there is one at most
    return next((row for row in live if equal(row.token_hash, given)), None)
