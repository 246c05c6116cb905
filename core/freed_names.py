"""Names that one person had in the directory and another has now: both, side by side."""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from core.models import Identity, Notice, Person
from core.notices import NAME_TAKEN_OVER
from core.overview import AliasView, alias_views_of_all
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
    named = {notice.id: json.loads(notice.subject_ids) for notice in page.rows}
    sides = _sides({ids[name] for ids in named.values() for name in ("person", "newcomer")}, now)
    found = [
        FreedName(notice.id, notice.made_at, sides[ids["person"]], sides[ids["newcomer"]])
        for notice, ids in zip(page.rows, named.values(), strict=True)
        if ids["person"] in sides and ids["newcomer"] in sides
    ]
    return Slice(found, page.next_key)


def _sides(person_ids: Set[int], now: datetime) -> Mapping[int, Side]:
    """Return those of these people who are there, by their ids."""
    identities: dict[int, list[Identity]] = {}
    for one in Identity.select().where(Identity.person.in_(person_ids)).order_by(Identity.id):
        identities.setdefault(one.person_id, []).append(one)
    people = list(Person.select().where(Person.id.in_(person_ids)))
    views = alias_views_of_all(people, now)
    return {one.id: Side(one, identities.get(one.id, []), views.get(one.id, [])) for one in people}
