"""What the relay has looked up on PostgreSQL, kept until the database tells of a change.

`relay/alias_changes.py` hears of changes and says how long the cache may answer.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from core.routing import AliasFacts, AliasTable

MOST_KNOWN = 20_000
"""Addresses of ours that are kept; some 1.2 KiB each."""
MOST_UNKNOWN = 10_000
"""Names that are none of ours: kept apart, so that somebody who guesses evicts no address."""


class NotCached(Exception):
    """The database must be asked."""


def _name(domain: str, local_part: str) -> str:
    return f"name {local_part}@{domain}"


def _rows(facts: AliasFacts) -> set[str]:
    """Name the rows that facts came from, as the messages do."""
    return {f"alias {facts.alias_id}", *(f"recipient {each.recipient_id}" for each in facts.recipients)}


class Noted:
    """An alias table that notes what it answers, for the cache. Used once, on a thread."""

    def __init__(self, table: AliasTable) -> None:
        self._table = table
        self.answers: dict[str, Any] = {}

    def serves(self, domain: str) -> bool:
        """Whether the domain is one of ours and verified."""
        found = self.answers[domain] = self._table.serves(domain)
        return found

    def find(self, domain: str, local_part: str) -> AliasFacts | None:
        """Return the facts of one alias, its recipients in order, or None."""
        found = self.answers[_name(domain, local_part)] = self._table.find(domain, local_part)
        return found

    def admin_recipients(self, domain: str) -> Sequence[str]:
        """Return the first verified recipient of each admin of the domain."""
        found = self.answers[f"admins {domain}"] = self._table.admin_recipients(domain)
        return found

    def aliases_of(self, recipients: Sequence[str]) -> dict[str, str]:
        """Return which of these addresses are recipients of ours; not for the cache."""
        return self._table.aliases_of(recipients)


class AliasCache:
    """A `core.routing.AliasTable` of former answers: what it does not know raises NotCached.

    It holds facts and never a route, since what a fact means depends on the moment. To be used on the
    event loop only. `version` rises with every change: an answer that was asked for under another one
    may be from before the change and is not kept.
    """

    def __init__(self) -> None:
        self.version = 0
        self._confirmed_until = -math.inf
        self._known: OrderedDict[str, Any] = OrderedDict()
        self._unknown: OrderedDict[str, Any] = OrderedDict()
        self._admins: dict[str, Sequence[str]] = {}
        self._names_by_row: dict[str, set[str]] = {}

    @property
    def is_live(self) -> bool:
        """Whether the cache may answer."""
        return time.monotonic() < self._confirmed_until

    def confirm(self, until: float) -> None:
        """Let the cache answer until then, in the seconds of `time.monotonic`."""
        self._confirmed_until = until

    def serves(self, domain: str) -> bool:
        """Whether the domain is one of ours and verified."""
        found: bool = self._recall(domain)
        return found

    def find(self, domain: str, local_part: str) -> AliasFacts | None:
        """Return the facts of one alias, its recipients in order, or None."""
        found: AliasFacts | None = self._recall(_name(domain, local_part))
        return found

    def admin_recipients(self, domain: str) -> Sequence[str]:
        """Return the first verified recipient of each admin of the domain."""
        try:
            return self._admins[f"admins {domain}"]
        except KeyError:
            raise NotCached from None

    def aliases_of(self, recipients: Sequence[str]) -> dict[str, str]:
        """Not cached: bounces are few."""
        raise NotCached

    def _recall(self, key: str) -> Any:
        for kept in (self._known, self._unknown):
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        raise NotCached

    def keep(self, answers: dict[str, Any], version: int) -> None:
        """Keep answers that were asked for when the cache had this version."""
        if version != self.version:
            return
        for key, found in answers.items():
            if key.startswith("admins "):
                self._admins[key] = found
                continue
            self._drop(key)
            kept, most = (self._known, MOST_KNOWN) if found else (self._unknown, MOST_UNKNOWN)
            kept[key] = found
            for row in _rows(found) if isinstance(found, AliasFacts) else ():
                self._names_by_row.setdefault(row, set()).add(key)
            if len(kept) > most:
                self._drop(next(iter(kept)))

    def changed(self, message: str) -> None:
        """Drop what a message of the database (migration 0003) says has changed."""
        self.version += 1
        self._admins.clear()  # they are few, and hang on many rows
        for line in message.split("\n"):
            if line == "*":
                self._clear()
            elif line.startswith("name "):
                self._drop(line)
            else:
                for key in list(self._names_by_row.get(line, ())):
                    self._drop(key)

    def forget(self) -> None:
        """Drop everything, and do not answer until the next `confirm`."""
        self.version += 1
        self._confirmed_until = -math.inf
        self._clear()

    def _clear(self) -> None:
        for kept in (self._known, self._unknown, self._admins, self._names_by_row):
            kept.clear()

    def _drop(self, key: str) -> None:
        self._unknown.pop(key, None)
        found = self._known.pop(key, None)
        for row in _rows(found) if isinstance(found, AliasFacts) else ():
            names = self._names_by_row[row]
            names.discard(key)
            if not names:
                del self._names_by_row[row]
