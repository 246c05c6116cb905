"""Brings a list of old addresses in: each becomes an alias that is kept for its owner and whose mail flows.

Lines are written some at a time, each whole or not at all. An import that was killed can be repeated: what
is there already is left as it is, and the report is the same.
"""

from collections.abc import Callable, Mapping, Sequence
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
            return _try_some(actor, verdicts, listed_at, now)
        except IntegrityError:  # a name was taken by somebody else just now: it is found there then
            continue
    return _try_some(actor, verdicts, listed_at, now)


def _try_some(actor: Actor, verdicts: Sequence[Verdict], listed_at: datetime, now: datetime) -> list[Verdict]:
    with write():
        judged = _still(verdicts)
        # in one order, so that two imports of the same names wait for each other and not in a circle
        new = sorted([one for one in judged if one.fate is Fate.NEW], key=lambda one: one.address)
        aliases = Alias.insert_rows([_alias_row(one, now) for one in new])
        _add_recipients(dict(zip(aliases, new, strict=True)), now)
        for alias_id, line in zip(aliases, new, strict=True):
            values = {
                "alias": line.address,
                "recipients": [one.text for one in line.recipients],
                "launchpad_name": line.name,
            }
            record(actor, "alias-imported", {"alias": alias_id, "domain": line.domain_id}, values, now)
        waiting = [
            {
                "alias": alias_id,
                "launchpad_name": line.name,
                "listed_at": min(listed_at, now),
                "imported_at": now,
                "state": NameState.ASKING if line.name else NameState.NO_NAME,
            }
            for alias_id, line in zip(aliases, new, strict=True)
        ]
        if waiting:
            Reservation.insert_many(waiting).execute()
    return [replace(one, fate=Fate.RESERVED) if one.fate is Fate.NEW else one for one in judged]


def _still(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Judge again inside the transaction."""
    served = {row.id for row in Domain.select(Domain.id).where(Domain.removed_at.is_null())}
    return [
        one
        if one.fate is not Fate.NEW or one.domain_id in served
        else replace(one, fate=Fate.NOT_OURS, detail=one.address.rpartition("@")[2])
        for one in judge_names(verdicts)
    ]


def _alias_row(line: Verdict, now: datetime) -> dict[str, object]:
    return {
        "domain": line.domain_id,
        "local_part": line.local_part,
        "by_self_service": line.local_part == line.name,
        "switched_at": now,
        "created_at": now,
    }


def _add_recipients(lines: Mapping[int, Verdict], now: datetime) -> None:
    """Put imported recipients behind aliases. lines: by the id of their alias."""
    places = [
        (alias_id, position, address)
        for alias_id, line in lines.items()
        for position, address in enumerate(line.recipients)
    ]
    ids = Recipient.insert_rows(
        [
            {"address": address.text, "address_key": address.key, "imported_at": now, "added_at": now}
            for _, _, address in places
        ]
    )
    rows = [
        {"alias": alias_id, "recipient": recipient_id, "position": position}
        for (alias_id, position, _), recipient_id in zip(places, ids, strict=True)
    ]
    if rows:
        AliasRecipient.insert_many(rows).execute()
