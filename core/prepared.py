"""Selects whose SQL is written once: peewee takes longer to write one than SQLite to answer it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from peewee import Value

from core.database import database

MOST_KEPT = 50
"""A select with a list of more values than this is written anew each time."""


@dataclass(frozen=True)
class _Slot:
    """Stands in a written query for a value that each asking brings along."""

    name: str
    place: int | None = None
    """Which one of a list's values."""

    def value(self, values: Mapping[str, Any]) -> Any:
        """Return what takes its place."""
        return values[self.name] if self.place is None else values[self.name][self.place]


class _Written:
    """A select as it was written, and what makes its rows of what the database gives."""

    def __init__(self, query: Any, sql: str, slots: list[Any]) -> None:
        self._query, self.sql, self.slots = query, sql, slots
        self._maker: Callable[[Any], Any] | None = None

    def maker(self, cursor: Any) -> Callable[[Any], Any]:
        """Return it; peewee looks at the columns of the first answer, which all others share."""
        if self._maker is None:
            rows = self._query._get_cursor_wrapper(cursor)
            rows.initialize()
            rows.cursor = None
            self._maker = rows.process_row
        return self._maker


class Slots:
    """Names the open values of a select: `value("name")`, or for a list `value.each("names")`."""

    def __init__(self, lengths: Mapping[str, int]) -> None:
        self._lengths = lengths

    def __call__(self, name: str) -> Value:
        """Name one open value."""
        return Value(_Slot(name), converter=False)

    def each(self, name: str) -> list[Value]:
        """Name all values of a list."""
        return [Value(_Slot(name, place), converter=False) for place in range(self._lengths[name])]


class Prepared:
    """A select with open values: make it once, and call it with the values, as the database takes them.

    ask = Prepared(lambda value: Person.select().where(Person.launchpad_name == value("name")))
    for person in ask(name="ada"): ...
    """

    def __init__(self, build: Callable[[Slots], Any]) -> None:
        self._build = build
        self._written: WeakKeyDictionary[Any, dict[Any, _Written]] = WeakKeyDictionary()

    def __call__(self, **values: Any) -> Iterator[Any]:
        """Ask; yields the rows as the select itself would. A list of values is written once a length."""
        lengths = {name: len(value) for name, value in values.items() if isinstance(value, list)}
        written = self._written_for(lengths)
        taken = [one.value(values) if isinstance(one, _Slot) else one for one in written.slots]
        cursor = database.execute_sql(written.sql, taken)
        return map(written.maker(cursor), cursor.fetchall())

    def _written_for(self, lengths: Mapping[str, int]) -> _Written:
        kept = self._written.setdefault(database.obj, {})
        key = tuple(lengths.items())
        if key in kept:
            return kept[key]
        query = self._build(Slots(lengths))
        written = _Written(query, *query.sql())
        if all(length <= MOST_KEPT for length in lengths.values()):
            kept[key] = written
        return written
