"""Deletes rows that have served."""

from datetime import datetime, timedelta

from core.database import connection, write
from core.models import Problem, Session, StashedAnswer, UsedNonce
from core.openid_state import NONCE_LASTS
from core.sessions import LASTS

PROBLEMS_LAST = timedelta(days=30)


def sweep(now: datetime) -> None:
    """Delete nonces and stashed answers out of time, sessions that nobody uses any more, old problems."""
    with connection(), write():
        UsedNonce.delete().where(UsedNonce.seen_at < now - NONCE_LASTS).execute()
        StashedAnswer.delete().where(StashedAnswer.expires_at < now).execute()
        Problem.delete().where(Problem.at < now - PROBLEMS_LAST).execute()
        Session.delete().where(Session.seen_at < now - LASTS).execute()
