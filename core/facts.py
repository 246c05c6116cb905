"""What a directory says, kept as facts: one clear *yes* is enough, a *no* must be said twice."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

SECOND_NO_AFTER = timedelta(hours=6)
"""Two clear *no* readings at least this far apart end a *yes*."""

FRESH_FOR = timedelta(hours=24)
"""A claim needs a *yes* that is not older."""


class Answer(StrEnum):
    """The three outcomes of every look at a directory."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """An error, an odd answer, a missing field: it never lets in and never throws out."""


@dataclass(frozen=True)
class Fact:
    """The present answer to one question about one person."""

    holds: bool
    since: datetime
    read_at: datetime
    first_no_at: datetime | None = None

    @property
    def answer(self) -> Answer:
        """The answer in words."""
        return Answer.YES if self.holds else Answer.NO

    def supports_claim(self, now: datetime) -> bool:
        """Whether it is a *yes*, undoubted and read within the last 24 hours."""
        return self.holds and self.first_no_at is None and now - self.read_at <= FRESH_FOR


def observe(old: Fact | None, answer: Answer, now: datetime) -> Fact | None:
    """Take one reading into account.

    old: what was known, None when nothing was. Returns what is known now; None only when nothing
    was known and the reading said nothing.
    """
    if answer is Answer.UNKNOWN or (old is not None and now < old.read_at):
        return old  # nothing was said, or something newer is known
    if old is None:
        return Fact(answer is Answer.YES, now, now)
    if answer is Answer.YES:
        return Fact(True, old.since if old.holds else now, now)
    if not old.holds:
        return replace(old, read_at=now)
    if old.first_no_at is None:
        return replace(old, read_at=now, first_no_at=now)
    if now - old.first_no_at >= SECOND_NO_AFTER:
        return Fact(False, now, now)
    return replace(old, read_at=now)
