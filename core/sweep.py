"""Deletes what has served: rows, and private keys."""

from datetime import datetime

from core.audit import Actor
from core.database import connection, write
from core.models import Session, StashedAnswer, UsedNonce
from core.openid_state import NONCE_LASTS
from core.sessions import LASTS
from core.signing_keys import erase_retired


def sweep(now: datetime) -> None:
    """Delete nonces and stashed answers out of time, sessions that nobody uses any more, and keys retired."""
    with connection(), write():
        UsedNonce.delete().where(UsedNonce.seen_at < now - NONCE_LASTS).execute()
        StashedAnswer.delete().where(StashedAnswer.expires_at < now).execute()
        Session.delete().where(Session.seen_at < now - LASTS).execute()
        erase_retired(Actor("job:sweep"), now)
