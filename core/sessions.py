"""Signed-in browsers: rows, so that ending one counts at once."""

import contextlib
from datetime import datetime, timedelta

from peewee import OperationalError

from core.models import Person, Session
from core.prepared import Prepared
from core.secrets import new_token, token_hash

LASTS = timedelta(days=30)
"""A session ends this long after it was last used."""


def open_session(
    person: Person, now: datetime, authenticated_at: datetime | None = None, *, asked_anew: bool = False
) -> str:
    """Begin a session; return its token, which is stored only as a hash. In a transaction.

    authenticated_at: when the person last gave the password, if the provider says so. asked_anew:
    whether it was asked to (`core.fresh`).
    """
    token = new_token()
    times = {"created_at": now, "seen_at": _hour(now), "authenticated_at": authenticated_at}
    Session.create(token_hash=token_hash(token), person=person, asked_anew=asked_anew, **times)
    return token


def sessions_of(person: Person, now: datetime) -> list[Session]:
    """Return a person's live sessions, the last used first."""
    live = (Session.person == person) & (Session.seen_at >= now - LASTS)
    return list(Session.select().where(live).order_by(Session.seen_at.desc(), Session.id.desc()))


def unused_since(session: Session, now: datetime) -> datetime | None:
    """Return the end of the hour of a session's last use, None while it lasts; nothing finer is kept."""
    end: datetime = session.seen_at + timedelta(hours=1)
    return end if end <= now else None


_SESSIONS = Prepared(
    lambda value: Session.select(Session, Person).join(Person).where(Session.token_hash == value("token"))
)


def find_session(token: str, now: datetime) -> Session | None:
    """Return the live session of a token with its person; None when ended, unknown or banned."""
    session: Session | None = next(_SESSIONS(token=token_hash(token)), None)
    if session is None or now - session.seen_at > LASTS or session.person.banned_at is not None:
        return None
    if session.seen_at != _hour(now):
        _note_seen(session, now)
    return session


def _note_seen(session: Session, now: datetime) -> None:
    """Note that the session is in use; while the database is busy, the next page will."""
    with contextlib.suppress(OperationalError):
        Session.update(seen_at=_hour(now)).where(Session.id == session.id).execute()


def end_session(token: str) -> None:
    """End one session."""
    Session.delete().where(Session.token_hash == token_hash(token)).execute()


def end_session_of(person: Person, session_id: int) -> None:
    """End one of a person's own sessions by its id; does nothing when it has ended or is another's."""
    Session.delete().where(Session.id == session_id, Session.person == person).execute()


def end_all_sessions(person: Person) -> int:
    """End every session of a person, everywhere. Returns how many there were."""
    return int(Session.delete().where(Session.person == person).execute())


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
