"""Deletes rows that have served."""

from datetime import datetime

from core.database import connection, write
from core.models import Session, StashedAnswer, UsedNonce
from core.openid_state import NONCE_LASTS
from core.sessions import LASTS


def sweep(now: datetime) -> None:
    """Delete nonces and stashed answers out of time, and sessions that nobody uses any more."""
    with connection(), write():
        UsedNonce.delete().where(UsedNonce.seen_at < now - NONCE_LASTS).execute()
        StashedAnswer.delete().where(StashedAnswer.expires_at < now).execute()
        Session.delete().where(Session.seen_at < now - LASTS).execute()
