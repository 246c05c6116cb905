"""What waits for an admin, in numbers."""

from dataclasses import dataclass

from peewee import fn

from core.database import EPOCH
from core.import_runs import State as ImportState
from core.models import AccountFact, Domain, ImportRun, Notice, Recipient, TeamReading, TeamSync, Waiver
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
    unproven_domains: int
    """Domains whose record was never found, or is not there any more."""
    imports: int | None
    """Lists that were judged and wait for an admin's word."""


def waiting_for(authority: Authority) -> Waiting:
    """Count what waits for an admin of this authority."""
    asked = Waiver.select().where(Waiver.state == State.ASKED)
    unproven = Domain.select().where(
        Domain.removed_at.is_null(), Domain.verified_at.is_null() | Domain.proof_missing_since.is_null(False)
    )
    if authority.domains is not None:
        own = list(authority.domains)
        waivers, domains = asked.where(Waiver.domain.in_(own)), unproven.where(Domain.id.in_(own))
        return Waiting(waivers.count(), None, None, None, None, domains.count(), None)
    newest = TeamReading.select(fn.MAX(TeamReading.id)).group_by(TeamReading.team)
    held = TeamReading.select().where(TeamReading.id.in_(newest), TeamReading.held_because.is_null(False))
    unread = TeamSync.select().where(TeamSync.problem.is_null(False))
    return Waiting(
        asked.count(),
        held.count() + unread.count(),
        AccountFact.select().where(AccountFact.held_at > EPOCH).count(),
        Recipient.select().where(Recipient.failing_since.is_null(False)).count(),
        Notice.select().where(Notice.failed_with.is_null(False)).count(),
        unproven.count(),
        ImportRun.select().where(ImportRun.state == ImportState.CHECKED).count(),
    )
