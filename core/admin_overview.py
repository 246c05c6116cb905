"""What waits for an admin, in numbers."""

from dataclasses import dataclass

from peewee import fn

from core.models import AccountFact, Notice, Recipient, TeamReading, TeamSync, Waiver
from core.roles import Authority
from core.waiver_rules import State


@dataclass(frozen=True)
class Waiting:
    """How much waits; what a domain's admin has nothing to do with is None."""

    waivers: int
    held_teams: int | None
    held_accounts: int | None
    failing_recipients: int | None
    failed_notices: int | None


def waiting_for(authority: Authority) -> Waiting:
    """Count what waits for an admin of this authority."""
    asked = Waiver.select().where(Waiver.state == State.ASKED)
    if authority.domains is not None:
        own = asked.where(Waiver.domain.in_(list(authority.domains)))
        return Waiting(own.count(), None, None, None, None)
    newest = TeamReading.select(fn.MAX(TeamReading.id)).group_by(TeamReading.team)
    held = TeamReading.select().where(TeamReading.id.in_(newest), TeamReading.held_because.is_null(False))
    unread = TeamSync.select().where(TeamSync.problem.is_null(False))
    return Waiting(
        asked.count(),
        held.count() + unread.count(),
        AccountFact.select().where(AccountFact.held_at.is_null(False)).count(),
        Recipient.select().where(Recipient.failing_since.is_null(False)).count(),
        Notice.select().where(Notice.failed_with.is_null(False)).count(),
    )
