"""What a directory says, kept as facts: one clear *yes* is enough, a *no* must be said twice."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

SECOND_NO_AFTER = timedelta(hours=6)
"""Two clear *no* readings at least this far apart end a *yes*."""

SECOND_NO = {"not_suspended": timedelta(minutes=10)}
"""The exceptions: a suspension counts at once when it was clearly said twice."""

FRESH_FOR = timedelta(hours=24)
"""A claim needs a *yes* that is not older."""


class Answer(StrEnum):
    """The three outcomes of every look at a directory."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """An error, an odd answer, a missing field: it never lets in and never throws out."""


NOT = {Answer.YES: Answer.NO, Answer.NO: Answer.YES, Answer.UNKNOWN: Answer.UNKNOWN}
"""The answer to the opposite question."""


@dataclass(frozen=True)
class Fact:
    """The present answer to one question about one person."""

    holds: bool
    since: datetime
    read_at: datetime
    first_no_at: datetime | None = None
    """Time of a *no* that has not been said twice yet: while it stands, nothing follows from it."""
    held_at: datetime | None = None
    """When the second *no* came while it was not to count: an admin decides (`core.held`)."""

    @property
    def answer(self) -> Answer:
        """The answer in words."""
        return Answer.YES if self.holds else Answer.NO

    @property
    def settled(self) -> Answer:
        """The answer beyond doubt: a *no* was said twice; *unknown* while one *no* stands alone."""
        return self.answer if self.first_no_at is None else Answer.UNKNOWN

    def supports_claim(self, now: datetime) -> bool:
        """Whether it is a *yes*, undoubted and read within the last 24 hours."""
        return self.settled is Answer.YES and now - self.read_at <= FRESH_FOR


def observe(
    old: Fact | None,
    answer: Answer,
    now: datetime,
    second_no_after: timedelta = SECOND_NO_AFTER,
) -> Fact | None:
    """Take one reading into account.

    old: what was known, None when nothing was. second_no_after: how far apart two *no* must be to
    count. Returns what is known now; None only when nothing was known and the reading said nothing.
    """
    if answer is Answer.UNKNOWN or (old is not None and now < old.read_at):
        return old  # nothing was said, or something newer is known
    if answer is Answer.YES:
        return Fact(True, old.since if old is not None and old.holds else now, now)
    if old is None:
        return Fact(False, now, now, first_no_at=now)
    if old.settled is Answer.NO or old.held_at is not None:
        return replace(old, read_at=now)
    first = old.first_no_at
    if first is None or now - first < second_no_after:
        return replace(old, read_at=now, first_no_at=first or now)
    return Fact(False, now if old.holds else old.since, now)


def hold_back(old: Fact, new: Fact, now: datetime) -> Fact:
    """Keep a second *no* from counting: the fact stays in doubt until an admin has decided."""
    return replace(old, read_at=new.read_at, held_at=old.held_at or now)
