"""Brings a list of old addresses in: each becomes an alias that is kept for its owner and whose mail flows.

Lines are written some at a time, each whole or not at all. An import that was killed can be repeated: what
is there already is left as it is, and the report is the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from peewee import IntegrityError, chunked

from core.audit import Actor, record
from core.database import write
from core.import_rules import Fate, Verdict, judge_names
from core.models import Alias, AliasRecipient, Domain, Recipient, Reservation
from core.reservations import NameState

CHUNK = 50
"""Lines written in one transaction, so that nobody waits long for the lock."""
_TRIES = 5
"""How often others may take one of some names at the same moment."""


def carry_out(
    actor: Actor,
    verdicts: Sequence[Verdict],
    listed_at: datetime,
    now: datetime,
    progress: Callable[[Sequence[Verdict]], None] = lambda _: None,
) -> list[Verdict]:
    """Make an alias of each line that is new; return all lines with what became of them.

    listed_at: how old the list is. progress: told after each transaction what became of its lines.
    """
    found: list[Verdict] = []
    for some in chunked(verdicts, CHUNK):
        done = _carry_out_some(actor, some, listed_at, now)
        progress(done)
        found += done
    return found


def _carry_out_some(
    actor: Actor, verdicts: Sequence[Verdict], listed_at: datetime, now: datetime
) -> list[Verdict]:
    for _ in range(_TRIES):
        try:
            with write():
                return [_carry_out_one(actor, one, listed_at, now) for one in _still(verdicts)]
        except IntegrityError:  # a name was taken by somebody else just now: it is found there then
            continue
    with write():
        return [_carry_out_one(actor, one, listed_at, now) for one in _still(verdicts)]


def _still(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Judge again inside the transaction."""
    served = {row.id for row in Domain.select(Domain.id).where(Domain.removed_at.is_null())}
    return [
        one
        if one.fate is not Fate.NEW or one.domain_id in served
        else replace(one, fate=Fate.NOT_OURS, detail=one.address.rpartition("@")[2])
        for one in judge_names(verdicts)
    ]


def _carry_out_one(actor: Actor, line: Verdict, listed_at: datetime, now: datetime) -> Verdict:
    if line.fate is not Fate.NEW:
        return line
    alias = Alias.create(
        domain=line.domain_id,
        local_part=line.local_part,
        by_self_service=line.local_part == line.name,
        switched_at=now,
        created_at=now,
    )
    for position, address in enumerate(line.recipients):
        recipient = Recipient.create(
            address=address.text, address_key=address.key, imported_at=now, added_at=now
        )
        AliasRecipient.create(alias=alias, recipient=recipient, position=position)
    Reservation.create(
        alias=alias,
        launchpad_name=line.name,
        listed_at=min(listed_at, now),
        imported_at=now,
        state=NameState.ASKING if line.name else NameState.NO_NAME,
    )
    values = {
        "alias": line.address,
        "recipients": [one.text for one in line.recipients],
        "launchpad_name": line.name,
    }
    record(actor, "alias-imported", {"alias": alias.id, "domain": line.domain_id}, values, now)
    return replace(line, fate=Fate.RESERVED)
