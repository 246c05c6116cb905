"""Deletes what has served: rows, and private keys."""

from datetime import datetime, timedelta

from core.audit import Actor
from core.database import connection, write
from core.models import BulkRun, DeliveryCount, Notice, Problem, Session, StashedAnswer, UsedNonce
from core.openid_state import NONCE_LASTS
from core.sessions import LASTS
from core.signing_keys import erase_retired

PROBLEMS_LAST = timedelta(days=30)
BULK_LASTS = timedelta(days=30)
COUNTS_LAST = timedelta(days=90)
NOTICES_LAST = timedelta(days=90)
"""After a notice was sent or refused; by then what it told of cannot happen anew under the same key."""


def sweep(now: datetime) -> None:
    """Delete nonces, stashed answers and sessions out of time, old problems, counts and notices, and keys."""
    with connection(), write():
        UsedNonce.delete().where(UsedNonce.seen_at < now - NONCE_LASTS).execute()
        StashedAnswer.delete().where(StashedAnswer.expires_at < now).execute()
        Problem.delete().where(Problem.at < now - PROBLEMS_LAST).execute()
        DeliveryCount.delete().where(DeliveryCount.day < str((now - COUNTS_LAST).date())).execute()
        settled = Notice.sent_at.is_null(False) | Notice.failed_with.is_null(False)
        Notice.delete().where(settled, Notice.due_at < now - NOTICES_LAST).execute()
        BulkRun.delete().where(BulkRun.finished_at < now - BULK_LASTS).execute()
        Session.delete().where(Session.seen_at < now - LASTS).execute()
        erase_retired(Actor("job:sweep"), now)
