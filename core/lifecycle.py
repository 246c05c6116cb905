"""What becomes of an alias as facts change and time passes. Pure: facts and a clock in, facts and events out.

Nothing here ends by a doubt: `Word.entitled` is *no* only when the directory said so twice, and whatever
is unknown leaves everything as it is.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from core.facts import Answer
from core.routing import LATER_LASTS, Entitlement, Hold, Switch


class Event(StrEnum):
    """What the owner is told; each is a kind of notice."""

    GRACE_STARTED = "grace-started"
    GRACE_14_DAYS = "grace-14-days"
    GRACE_2_DAYS = "grace-2-days"
    GRACE_LIFTED = "grace-lifted"
    ENDED = "grace-ended"
    SUSPENDED = "alias-suspended"
    SUSPENSION_LIFTED = "suspension-lifted"


REMINDERS = {14: Event.GRACE_14_DAYS, 2: Event.GRACE_2_DAYS}
"""So many days before the end of the grace time its owner is reminded."""


@dataclass(frozen=True)
class Life:
    """The three facts of one alias, as stored."""

    entitlement: Entitlement
    switch: Switch
    switched_at: datetime
    hold: Hold
    grace_until: datetime | None = None
    grace_told: int | None = None
    """Days before the end of which the owner was last reminded."""


@dataclass(frozen=True)
class Word:
    """What is known of the owner, as far as it is beyond doubt."""

    entitled: Answer
    suspended: Answer
    banned: bool = False


def step(life: Life, word: Word, grace: timedelta, now: datetime) -> tuple[Life, tuple[Event, ...]]:
    """Bring an alias up to date.

    grace: how long mail goes on after the entitlement is lost. Returns the new facts and what the
    owner must be told. A second step at the same moment with the same facts changes nothing.
    """
    held = _hold(life.hold, word)
    if life.switch is Switch.GIVEN_UP:
        return replace(life, hold=held), ()
    life = _switched(life, now)
    life, events = _entitled(life, word.entitled, grace, now)
    if Hold.LAUNCHPAD in (held, life.hold) and held is not life.hold and not word.banned:
        events += (Event.SUSPENDED if held is Hold.LAUNCHPAD else Event.SUSPENSION_LIFTED,)
    return replace(life, hold=held), events


def _switched(life: Life, now: datetime) -> Life:
    """ "Try later" becomes "refused" after three days."""
    if life.switch is Switch.OFF_LATER and now >= life.switched_at + LATER_LASTS:
        return replace(life, switch=Switch.OFF_REFUSED)
    return life


def _entitled(
    life: Life, entitled: Answer, grace: timedelta, now: datetime
) -> tuple[Life, tuple[Event, ...]]:
    if life.entitlement is Entitlement.ENTITLED and entitled is Answer.NO:
        return _lost(life, grace, now)
    if life.entitlement is not Entitlement.GRACE or life.grace_until is None:
        return life, ()
    if now >= life.grace_until:
        return replace(life, entitlement=Entitlement.ENDED), (Event.ENDED,)
    if entitled is Answer.YES:
        back = replace(life, entitlement=Entitlement.ENTITLED, grace_until=None, grace_told=None)
        return back, (Event.GRACE_LIFTED,)
    due = _reminder(life.grace_until - now)
    if due is not None and due < (life.grace_told or due + 1):
        return replace(life, grace_told=due), (REMINDERS[due],)
    return life, ()


def _lost(life: Life, grace: timedelta, now: datetime) -> tuple[Life, tuple[Event, ...]]:
    """Start grace; its first notice names the end, so no reminder repeats it the same day."""
    until = now + grace
    if grace <= timedelta(0):
        return replace(life, entitlement=Entitlement.ENDED, grace_until=until), (Event.ENDED,)
    begun = replace(
        life,
        entitlement=Entitlement.GRACE,
        grace_until=until,
        grace_told=_reminder(grace - timedelta(days=1)),
    )
    return begun, (Event.GRACE_STARTED,)


def _reminder(left: timedelta) -> int | None:
    """Say which reminder is due when so much time is left."""
    return min((days for days in REMINDERS if left <= timedelta(days=days)), default=None)


def _hold(hold: Hold, word: Word) -> Hold:
    """An admin's own hold stays until they lift it; a suspension counts before a ban, and outlasts it."""
    if hold is Hold.ADMIN:
        return hold
    if word.suspended is Answer.YES or (hold is Hold.LAUNCHPAD and word.suspended is Answer.UNKNOWN):
        return Hold.LAUNCHPAD
    return Hold.BAN if word.banned else Hold.NONE
