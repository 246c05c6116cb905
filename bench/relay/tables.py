"""Makes the alias tables that the peers look up, with as many rows as wanted."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from core import database
from core.models import Alias, AliasRecipient, Domain, Recipient

DOMAIN = "bench.example"
USER_N = "'user' || {}"
N_USER = "{} || 'user'"
"""As smtp-source numbers addresses."""
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "


def make_waypost_table(path: Path, count: int, names: str = USER_N) -> str:
    """Make a Waypost database with so many aliases; return its URL.

    names: USER_N or N_USER.
    """
    return fill_waypost_database(f"sqlite:///{path}", count, names)


def fill_waypost_database(url: str, count: int, names: str = USER_N) -> str:
    """Make the tables and the same aliases in an empty database, on either engine; return its URL."""
    database.configure(url)
    database.migrate()
    now = datetime.now(UTC)
    with database.connection(), database.write():
        domain = Domain.create(name=DOMAIN, verification_token="t", verified_at=now, added_at=now)
        first = "user1" if names == USER_N else "1user"
        alias = Alias.create(domain=domain, local_part=first, switched_at=now, created_at=now)
        address = "user1@home.example"
        recipient = Recipient.create(address=address, address_key=address, imported_at=now, added_at=now)
        AliasRecipient.create(alias=alias, recipient=recipient, position=0)
        _multiply(count, names)
    return url


def _multiply(count: int, names: str) -> None:
    """Copy the first rows, so that whatever columns the tables have are filled."""
    fresh = {
        "alias": {"id": "n.i", "local_part": names.format("n.i")},
        "recipient": {
            "id": "n.i",
            "address": "'user' || n.i || '@home.example'",
            "address_key": "'user' || n.i || '@home.example'",
        },
        "alias_recipient": {"id": "n.i", "alias_id": "n.i", "recipient_id": "n.i"},
    }
    for table, values in fresh.items():
        columns = [column.name for column in database.database.get_columns(table)]
        picked = ", ".join(values.get(column, f"t.{column}") for column in columns)
        database.database.execute_sql(
            f"INSERT INTO {table} ({', '.join(columns)}) {_NUMBERS.format(count=count)}"
            f"SELECT {picked} FROM {table} t, n WHERE t.id = 1 AND n.i <= {count}"
        )


def make_postfix_table(path: Path, count: int, names: str = USER_N) -> None:
    """Make the same addresses as a plain table, as Postfix's sqlite map reads it."""
    with sqlite3.connect(path) as rows:
        rows.execute("CREATE TABLE aliases (address TEXT PRIMARY KEY, target TEXT NOT NULL) WITHOUT ROWID")
        rows.execute(
            f"{_NUMBERS.format(count=count + 1)} INSERT INTO aliases"
            f" SELECT {names.format('(i - 1)')} || '@{DOMAIN}', 'user' || (i - 1) || '@home.example' FROM n"
        )
    rows.close()
