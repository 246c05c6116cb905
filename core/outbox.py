"""Sends what is due in the outbox. Safe to run twice at once and to kill at any line."""

from datetime import datetime, timedelta

import structlog

from core.database import connection, utc_now, write
from core.letters import write_letter
from core.models import Notice, Recipient
from core.recipients import PROOF
from core.settings import Settings
from core.submission import Outcome, Submission, submit

LEASE = timedelta(minutes=10)
GIVE_UP_AFTER = timedelta(days=5)
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=4)

SETTLED = Submission(Outcome.REFUSED, "settled")
"""What the notice spoke of is gone or done: there is nothing to send."""

log = structlog.get_logger()


def send_due(settings: Settings) -> int:
    """Send every notice that is due; return how many were delivered."""
    sent = 0
    while (notice_id := _lease_next(utc_now())) is not None:
        result = _send(notice_id, settings)
        _finish(notice_id, result, utc_now())
        sent += result.outcome is Outcome.DELIVERED
    return sent


def _lease_next(now: datetime) -> int | None:
    """Take the next due notice for this job alone; a job that dies lets go of it when the lease ends."""
    due = (
        Notice.sent_at.is_null()
        & Notice.failed_with.is_null()
        & (Notice.due_at <= now)
        & (Notice.lease_until.is_null() | (Notice.lease_until < now))
    )
    with connection():
        while True:
            with write():
                notice = Notice.select().where(due).order_by(Notice.due_at, Notice.id).first()
                if notice is None:
                    return None
                if Notice.update(lease_until=now + LEASE).where(Notice.id == notice.id, due).execute():
                    return int(notice.id)


def _send(notice_id: int, settings: Settings) -> Submission:
    """Render and submit one notice; whatever is wrong with it must not stop the others."""
    try:
        with connection():
            notice = Notice.get_or_none(Notice.id == notice_id)
            letter = write_letter(notice, settings, utc_now()) if notice is not None else None
        return submit(settings.relay_socket, letter.to, letter.message) if letter else SETTLED
    except Exception as error:  # noqa: BLE001 -- a template or an address that cannot be rendered
        log.warning("notice cannot be written", notice=notice_id, error=type(error).__name__)
        return Submission(Outcome.TRY_LATER, "4.3.5")


def _finish(notice_id: int, result: Submission, now: datetime) -> None:
    """Write down what became of it: sent, refused for good, or due again after a pause."""
    with connection(), write():
        notice = Notice.get_or_none(Notice.id == notice_id)
        if notice is None:
            return
        age = now - notice.made_at
        if result.outcome is Outcome.DELIVERED:
            notice.sent_at = now
        elif result.outcome is Outcome.REFUSED or age > GIVE_UP_AFTER:
            notice.failed_with = result.code
            if notice.kind == PROOF and result is not SETTLED:
                Recipient.update(proof_refused=result.code).where(
                    Recipient.id == notice.recipient_id, Recipient.verified_at.is_null()
                ).execute()
        else:
            notice.due_at = now + min(max(age, SHORTEST_PAUSE), LONGEST_PAUSE)
        notice.lease_until = None
        if notice.address is not None and (notice.sent_at or notice.failed_with):
            notice.delete_instance()  # nothing else was left of them
        else:
            notice.save()
    log.info("notice", notice=notice_id, kind=notice.kind, outcome=result.outcome, code=result.code)
