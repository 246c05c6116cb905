"""What only an admin or months would bring about by the product's own doors: forty domains, longest names.

For pictures and for the tests of how pages look; the stack's database must be SQLite.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time

from devtools.stack import Stack

LONGEST_DOMAIN = ".".join(["d" * 61] * 3 + ["d" * 63]) + ".org"
"""253 octets, the most (RFC 1035 §2.3.4)."""
LONGEST_LOCAL_PART = 64
"""In octets (RFC 5321 §4.5.3.1.1)."""
MORE_DOMAINS = [LONGEST_DOMAIN, *(f"project{number}.example.org" for number in range(33))]
"""With the demo's six domains these are forty."""


def change_rows(stack: Stack, *changes: tuple[str, tuple[object, ...]]) -> None:
    """Change rows of the product's database: SQL and its values."""
    with contextlib.closing(sqlite3.connect(stack.folder / "waypost.db", timeout=20)) as database, database:
        for sql, values in changes:
            database.execute(sql, values)


def add_domains(stack: Stack) -> None:
    """Add the domains that make them forty; every third one is for the members of `ubuntumembers`."""
    now = int(time.time())
    columns = "name, verification_token, verified_at, coc_required, grace_days, added_at, automatic"
    columns += ", waits_for_admin"
    domain = f"INSERT INTO domain ({columns}) VALUES (?, 't', ?, 1, 90, ?, 0, 0)"
    domain += " ON CONFLICT (name) DO UPDATE SET removed_at = NULL"
    team = "INSERT OR IGNORE INTO domain_team (domain_id, team) SELECT id, ? FROM domain WHERE name = ?"
    for number, name in enumerate(MORE_DOMAINS):
        mapped = "others" if number % 3 else "ubuntumembers"
        change_rows(stack, (domain, (name, now, now)), (team, (mapped, name)))


def remove_domains(stack: Stack) -> None:
    """Take them out again."""
    marks = ", ".join("?" * len(MORE_DOMAINS))
    removed = f"UPDATE domain SET removed_at = {int(time.time())} WHERE name IN ({marks})"
    change_rows(stack, (removed, tuple(MORE_DOMAINS)))


def lengthen(stack: Stack, local_part: str) -> str:
    """Give every address with this local part the longest one that begins so; return it."""
    longest = f"{local_part}-{'y' * LONGEST_LOCAL_PART}"[:LONGEST_LOCAL_PART]
    change_rows(stack, ("UPDATE alias SET local_part = ? WHERE local_part = ?", (longest, local_part)))
    return longest
