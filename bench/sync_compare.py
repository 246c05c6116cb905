"""What a life of `bench.sync_chaos` leaves in its database, and how two of them differ."""

import json
from dataclasses import dataclass, field

from core.models import (
    AccountFact,
    Alias,
    AliasRecipient,
    AuditEntry,
    Membership,
    Notice,
    Person,
    TeamSync,
)


@dataclass
class Outcome:
    """What a run left, and what it went through."""

    rows: dict[str, list[tuple[object, ...]]]
    fault: str | None
    """What is wrong with the record."""
    forgotten: list[str]
    """Jobs that nothing will run or show any more."""
    kills: dict[str, int] = field(default_factory=dict)
    syncs: int = 0
    seconds: float = 0.0


def snapshot() -> dict[str, list[tuple[object, ...]]]:
    """Return what a run leaves, row by row, without what two runs cannot share: moments, numbers of rows."""
    aliases = {alias.id: alias.text for alias in Alias.select()}
    people: dict[str, list[tuple[object, ...]]] = {
        "person": [(p.id, p.launchpad_name, p.account_created, p.banned_at) for p in Person.select()],
        "account_fact": [
            (f.person_id, f.fact, f.holds, f.first_no_at is None, f.held_at is None)
            for f in AccountFact.select()
        ],
        "membership": [(m.person_id, m.team, m.holds, m.first_no_at is None) for m in Membership.select()],
        "alias": [
            (a.text, a.person_id, a.entitlement, a.grace_until is None, a.grace_told, a.switch, a.hold)
            for a in Alias.select()
        ],
        "alias_recipient": [
            (aliases[row.alias_id], row.recipient_id, row.position) for row in AliasRecipient.select()
        ],
        "team_sync": [(t.team, t.running, t.problem) for t in TeamSync.select()],
        "notice": [
            (n.kind, n.person_id, n.recipient_id, _about(n.subject_ids, aliases))
            for n in Notice.select().where(Notice.kind != "problems")
        ],
        "audit": [(e.actor, e.verb, _about(e.subject_ids, aliases)) for e in AuditEntry.select()],
    }
    return {table: sorted(found, key=repr) for table, found in people.items()}


def _about(subject_ids: str, aliases: dict[int, str]) -> str:
    """Say which rows something speaks of, the alias by its address and without moments."""
    ids = json.loads(subject_ids)
    return json.dumps(
        {
            name: aliases.get(i, i) if name == "alias" else i
            for name, i in ids.items()
            if name not in ("until",)
        }
    )


def differences(peace: Outcome, storm: Outcome) -> list[str]:
    """Compare what two runs left; each sentence is a difference."""
    said = [f"{which}: {run.fault}" for which, run in (("peace", peace), ("storm", storm)) if run.fault]
    said += [f"forgotten: {job}" for job in storm.forgotten]
    for table, rows in peace.rows.items():
        left, right = list(rows), list(storm.rows[table])
        for row in rows:
            if row in right:
                left.remove(row)
                right.remove(row)
        said += [f"{table}: only in peace {row}" for row in left]
        said += [f"{table}: only in the storm {row}" for row in right]
    return said
