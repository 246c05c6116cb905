"""The daily mail to the ops address: where the record ends, and what waits. It goes out every day."""

from datetime import datetime

from core.audit import head
from core.database import connection, write
from core.notices import tell_ops

DAILY = "daily"
"""Kind of the notice."""


def tell_daily(now: datetime) -> None:
    """Put the mail of this day (UTC) into the outbox, once; it says the end of the record as it is now."""
    with connection(), write():
        end = head()
        ids = {"entry": end.entry_id} if end is not None else {}
        tell_ops(DAILY, None, ids, f"{DAILY}:{now:%Y-%m-%d}", now)
