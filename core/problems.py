"""What went wrong, for the people who run this: one digest a quarter of an hour to the ops address."""

from datetime import UTC, datetime, timedelta

from core.models import Notice, Person, Problem
from core.notices import tell_ops

QUARTER = timedelta(minutes=15)
DIGEST = "problems"
"""Kind of the notice."""


def report(tried: str, about: str, why: str, now: datetime, person: Person | None = None) -> None:
    """Put a problem into the next digest; the same one twice in a quarter of an hour is one line.

    tried: such as `sync-person`. about: what it was tried with: a team, `person 7`; never an address.
    In a transaction.
    """
    quarter = int(now.timestamp() // QUARTER.total_seconds())
    while _is_gone(quarter):
        quarter += 1
    Problem.insert(
        quarter=quarter, tried=tried, about=about[:200], person=person, why=why[:200], at=now
    ).on_conflict_ignore().execute()
    tell_ops(DIGEST, None, {"quarter": quarter}, _key(quarter), now, due=_end(quarter))


def problems_of(quarter: int) -> list[Problem]:
    """Return the problems of one digest, oldest first."""
    query = Problem.select().where(Problem.quarter == quarter)
    return list(query.order_by(Problem.at, Problem.id))


def _is_gone(quarter: int) -> bool:
    """Whether the digest is on its way already, so that nothing can be added to it."""
    notice = Notice.get_or_none(Notice.unique_key == _key(quarter))
    return notice is not None and bool(notice.sent_at or notice.failed_with or notice.lease_until)


def _key(quarter: int) -> str:
    return f"{DIGEST}:{quarter}"


def _end(quarter: int) -> datetime:
    return datetime.fromtimestamp((quarter + 1) * QUARTER.total_seconds(), UTC)
