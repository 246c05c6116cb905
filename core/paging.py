"""Long tables a page at a time, each found by the key of the last row and never by counting."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Generic, TypeVar

from peewee import Value, fn

Row = TypeVar("Row")
PAGE_SIZE = 50


@dataclass(frozen=True)
class Slice(Generic[Row]):
    """One page of a table."""

    rows: list[Row]
    next_key: int | None
    """With this key begins what comes after; None at the end."""


def slice_of(
    query: Any, key: Any, after: int | None, *, newest_first: bool, size: int = PAGE_SIZE
) -> Slice[Any]:
    """Return the rows of a query whose key comes after `after`; from its beginning when that is None.

    key: the field by which it is paged, unique and positive. The bound is always there, so that the
    database goes to the place by an index.
    """
    bound = key < (after or 2**62) if newest_first else key > (after or 0)
    order = key.desc() if newest_first else key.asc()
    rows = list(query.where(bound).order_by(order).limit(size + 1))
    more = len(rows) > size
    rows = rows[:size]
    return Slice(rows, getattr(rows[-1], key.name) if more else None)


def counts_by(field: Any, values: Iterable[str], *where: Any) -> Counter[str]:
    """Count the rows of a table by what one of its fields holds, with one query.

    values: what it may hold. where: further conditions. Each value is counted by itself, since an index
    that begins with these fields serves that, and grouping takes PostgreSQL twice as long.
    """
    counts = [field.model.select(Value(value), fn.COUNT(1)).where(field == value, *where) for value in values]
    rows = reduce(lambda some, more: some.union_all(more), counts).tuples()
    return Counter({value: count for value, count in rows if count})
