"""The relay's read-only look at the alias table: one prepared statement on a connection of its own.

On SQLite a lookup costs some 35 µs and is not cached, so that a change counts for mail at once. On
PostgreSQL the triggers of migration 0003 tell `relay.alias_cache` of every change in a table that is
read here; a test holds that none is left out.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

import psycopg

from core.addresses import AddressError, parse_address
from core.database import sqlite_path
from core.routing import AliasFacts, Entitlement, Hold, Order, RouteRecipient, Switch

BUSY_MS = 50
"""How long a lookup waits for a lock before it is given up (the relay then answers 451)."""
DEAD_PEER: dict[str, Any] = {
    "connect_timeout": 2,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 4000,
}
"""How libpq notices a PostgreSQL server that is gone without a word: within some 5 seconds."""


class AliasTableUnavailable(Exception):
    """The database is busy or gone: nothing is known, the sender should try later."""


_SERVES = "SELECT 1 FROM domain WHERE name = ? AND verified_at IS NOT NULL AND removed_at IS NULL"
# The two queries are put together of constants only, so S608 has nothing to find.
_DELIVERABLE = """(r.imported_at IS NOT NULL OR (r.verified_at IS NOT NULL AND (
    r.person_id = a.person_id
    OR EXISTS (SELECT 1 FROM alias_owner o
               WHERE o.alias_id = a.id AND o.person_id = r.person_id AND o.hold = 'none')
)))"""
"""Invariant 6: the recipient was proven by an owner of the alias, or imported."""

_FIND = f"""
SELECT a.id, a.entitlement, a.switch, a.switched_at, a.hold, a.grace_until, a.unreachable_since,
       a.delivery_order, a.keeps_tag, r.address,
       {_DELIVERABLE}, r.id
FROM domain d
JOIN alias a ON a.domain_id = d.id
LEFT JOIN alias_recipient ar ON ar.alias_id = a.id
LEFT JOIN recipient r ON r.id = ar.recipient_id
WHERE d.name = ? AND a.local_part = ?
ORDER BY r.failing_since IS NOT NULL, ar.position
"""  # noqa: S608
_ALIASES_OF = f"""
SELECT r.address, a.local_part, d.name
FROM recipient r
JOIN alias_recipient ar ON ar.recipient_id = r.id
JOIN alias a ON a.id = ar.alias_id
JOIN domain d ON d.id = a.domain_id
WHERE r.address_key = ?
  AND {_DELIVERABLE}
ORDER BY a.id
"""  # noqa: S608
_ADMINS = """
SELECT r.address, g.role
FROM role_grant g
JOIN identity i ON i.issuer = g.issuer AND i.subject = g.subject
JOIN person p ON p.id = i.person_id AND p.banned_at IS NULL
JOIN recipient r ON r.id = (
    SELECT MIN(own.id) FROM recipient own WHERE own.person_id = p.id AND own.verified_at IS NOT NULL
)
LEFT JOIN domain d ON d.id = g.domain_id
WHERE (g.role = 'domain_admin' AND d.name = ?) OR g.role = 'project_admin'
ORDER BY g.role, g.id
"""


class _Connection(Protocol):
    def rows(self, sql: str, *values: str) -> list[Any]: ...


class SqlAliasTable:
    """`core.routing.AliasTable` over SQL; every method raises AliasTableUnavailable."""

    def __init__(self, connection: _Connection) -> None:
        self._rows = connection.rows

    def serves(self, domain: str) -> bool:
        """Whether the domain is one of ours and verified."""
        return bool(self._rows(_SERVES, domain))

    def find(self, domain: str, local_part: str) -> AliasFacts | None:
        """Return the facts of one alias, its recipients in order, or None."""
        rows = self._rows(_FIND, domain, local_part)
        try:
            return _facts(rows) if rows else None
        except ValueError:  # a state that only a newer version knows
            raise AliasTableUnavailable("unknown state") from None

    def admin_recipients(self, domain: str) -> Sequence[str]:
        """Return the first verified recipient of each of the domain's admins, else of the project's."""
        rows = self._rows(_ADMINS, domain)
        return list(dict.fromkeys(address for address, role in rows if role == rows[0][1]))

    def aliases_of(self, recipients: Sequence[str]) -> dict[str, str]:
        """Return which of these addresses are recipients of ours, each with an alias that leads there."""
        found: dict[str, str] = {}
        for recipient in recipients:
            try:
                rows = self._rows(_ALIASES_OF, parse_address(recipient).key)
            except AddressError:
                continue
            if rows:
                found[recipient] = f"{rows[0][1]}@{rows[0][2]}"
        return found


def _facts(rows: list[Any]) -> AliasFacts:
    alias_id, entitlement, switch, switched_at, hold, grace_until, unreachable_since = rows[0][:7]
    order, keeps_tag = rows[0][7:9]
    return AliasFacts(
        alias_id,
        Entitlement(entitlement),
        Switch(switch),
        _moment(switched_at),
        Hold(hold),
        None if grace_until is None else _moment(grace_until),
        None if unreachable_since is None else _moment(unreachable_since),
        _recipients(row[9:] for row in rows if row[9] is not None),
        Order(order),
        bool(keeps_tag),
    )


def _recipients(rows: Iterable[Any]) -> tuple[RouteRecipient, ...]:
    return tuple(RouteRecipient(address, bool(deliverable), row_id) for address, deliverable, row_id in rows)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class _Sqlite:
    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def rows(self, sql: str, *values: str) -> list[Any]:
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(
                    f"file:{quote(self._path)}?mode=ro",
                    uri=True,
                    timeout=BUSY_MS / 1000,
                    isolation_level=None,
                    check_same_thread=False,
                )
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            raise AliasTableUnavailable(type(error).__name__) from None


class _Postgres:
    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None

    def rows(self, sql: str, *values: str) -> list[Any]:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(
                    self._url,
                    autocommit=True,
                    **DEAD_PEER,
                    options=f"-c lock_timeout={BUSY_MS} -c statement_timeout=500",
                    prepare_threshold=1,
                )
            return self._connection.execute(sql.replace("?", "%s").encode(), values).fetchall()
        except psycopg.Error as error:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            raise AliasTableUnavailable(type(error).__name__) from None


def open_alias_table(database_url: str) -> SqlAliasTable:
    """Open the table for lookups; connects at the first one. One table per thread.

    database_url: the setting of that name.
    """
    if database_url.startswith("sqlite:///"):
        return SqlAliasTable(_Sqlite(sqlite_path(database_url)))
    return SqlAliasTable(_Postgres(database_url))
