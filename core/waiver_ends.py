"""Warns of the end of an entitlement by waiver, 14 and 2 days before."""

from datetime import datetime, timedelta

from core.database import connection, write
from core.models import Waiver
from core.notices import tell_person
from core.waiver_rules import Kind, State

WARN = (14, 2)
"""Days before the end."""
ENDS = "waiver-ends"
"""Kind of the notice."""


def warn_of_ends(now: datetime) -> int:
    """Tell everyone whose granted entitlement to a domain ends soon; each of the two warnings is said once.

    A later grace end warns by itself, as every grace time does. Opens its own connection. Returns how
    many entitlements end soon.
    """
    with connection(), write():
        soon = Waiver.ends_at.between(now, now + timedelta(days=max(WARN)))
        ending = list(Waiver.select().where(soon, Waiver.state == State.GRANTED, Waiver.kind == Kind.DOMAIN))
        for waiver in ending:
            days = min(days for days in WARN if waiver.ends_at <= now + timedelta(days=days))
            until = int(waiver.ends_at.timestamp())
            key = f"{ENDS}:{waiver.id}:{until}:{days}"
            ids = {"waiver": waiver.id, "until": until}
            tell_person(waiver.person, ENDS, ids, key, now)
    return len(ending)
