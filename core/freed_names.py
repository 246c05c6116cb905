"""Names that one person had in the directory and another has now: both, side by side."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.models import Identity, Notice, Person
from core.notices import NAME_TAKEN_OVER
from core.overview import AliasView, alias_views
from core.paging import Slice, slice_of

AT_ONCE = 10


@dataclass(frozen=True)
class Side:
    """One of the two."""

    person: Person
    identities: Sequence[Identity]
    aliases: Sequence[AliasView]


@dataclass(frozen=True)
class FreedName:
    """Somebody who had a name before, and somebody who came with it."""

    id: int
    at: datetime
    before: Side
    newcomer: Side


def freed_names(after: int | None, now: datetime) -> Slice[FreedName]:
    """Return a page of them, the newest first; without those of whom one is erased."""
    query = Notice.select().where(Notice.kind == NAME_TAKEN_OVER)
    page = slice_of(query, Notice.id, after, newest_first=True, size=AT_ONCE)
    found = []
    for notice in page.rows:
        ids = json.loads(notice.subject_ids)
        sides = [_side(Person.get_or_none(Person.id == ids[name]), now) for name in ("person", "newcomer")]
        if sides[0] is not None and sides[1] is not None:
            found.append(FreedName(notice.id, notice.made_at, sides[0], sides[1]))
    return Slice(found, page.next_key)


def _side(person: Person | None, now: datetime) -> Side | None:
    if person is None:
        return None
    identities = Identity.select().where(Identity.person == person).order_by(Identity.id)
    return Side(person, list(identities), alias_views(person, now))
