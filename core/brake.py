"""The brakes: what too many lose at once waits for an admin, and what nobody could read starts nothing."""

from datetime import datetime, timedelta

from peewee import fn

from core.database import lock_for_all
from core.models import AccountFact, TeamReading, TeamSync

LOST_SHARE = 0.10
LOST_AT_LEAST = 3
"""More than this share and at least so many at once are not believed without an admin."""
WITHIN = timedelta(days=1)

_LOCK = 0x5741_5942  # of two who would each be one of the last few, the second must see the first


def too_many(lost: int, of: int) -> bool:
    """Whether so many losses must wait for an admin."""
    return lost >= LOST_AT_LEAST and lost > LOST_SHARE * of


def held_teams() -> set[str]:
    """Return the teams whose last reading is held, or could not be read at all."""
    last = {row.team: row.held_because for row in TeamReading.select().order_by(TeamReading.id)}
    unread = TeamSync.select(TeamSync.team).where(TeamSync.problem.is_null(False))
    return {team for team, held in last.items() if held} | {row.team for row in unread}


class Brake:
    """The brake of one transaction: it looks at the database when it is first needed, if at all."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._held_teams: set[str] | None = None
        self._held_accounts: bool | None = None

    def holds_team(self, team: str) -> bool:
        """Whether the last reading of a team waits for an admin or for the directory."""
        if self._held_teams is None:
            self._held_teams = held_teams()
        return team in self._held_teams

    def holds_accounts(self) -> bool:
        """Whether more people than is likely lose something of their account within a day.

        Whoever is in doubt counts: in the first reading of a bad day everybody falls into doubt, and
        so the very first second *no* is held. Turning changes no count, hence one look is enough.
        """
        if self._held_accounts is None:
            lock_for_all(_LOCK)
            doubted = (AccountFact.holds == True) & AccountFact.first_no_at.is_null(False)  # noqa: E712 -- SQL
            turned = AccountFact.turned_at > self._now - WITHIN
            people = fn.COUNT(AccountFact.person.distinct())
            lost = AccountFact.select(people).where(doubted | turned).scalar()
            of = AccountFact.select(people).scalar()
            self._held_accounts = too_many(lost, of)
        return self._held_accounts
