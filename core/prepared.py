"""Selects whose SQL is written once: peewee takes longer to write one than SQLite to answer it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from peewee import Value

from core.database import database


@dataclass(frozen=True)
class _Slot:
    """Stands in a written query for a value that each asking brings along."""

    name: str


Slots = Callable[[str], Value]
"""Names an open value."""


class Prepared:
    """A select with open values: make it once, and call it with the values, as the database takes them.

    ask = Prepared(lambda value: Person.select().where(Person.launchpad_name == value("name")))
    for person in ask(name="ada"): ...
    """

    def __init__(self, build: Callable[[Slots], Any]) -> None:
        self._build = build
        self._written: WeakKeyDictionary[Any, tuple[Any, str, list[Any]]] = WeakKeyDictionary()

    def __call__(self, **values: Any) -> Iterator[Any]:
        """Ask; yields the rows as the select itself would."""
        chosen = database.obj
        if chosen not in self._written:
            query = self._build(lambda name: Value(_Slot(name), converter=False))
            self._written[chosen] = (query, *query.sql())
        query, sql, slots = self._written[chosen]
        taken = [values[one.name] if isinstance(one, _Slot) else one for one in slots]
        return iter(query._get_cursor_wrapper(database.execute_sql(sql, taken)))
