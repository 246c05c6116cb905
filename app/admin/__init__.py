"""The admins' pages: what waits for them, and what they look things up with."""

from app.admin import (
    aliases,
    audit,
    bulk,
    failing,
    first_run,
    freed,
    held,
    jobs,
    lookup,
    names,
    overview,
    people,
    role_addresses,
    roles,
    waivers,
)
from app.admin.blueprint import blueprint

__all__ = [
    "aliases",
    "audit",
    "blueprint",
    "bulk",
    "failing",
    "first_run",
    "freed",
    "held",
    "jobs",
    "lookup",
    "names",
    "overview",
    "people",
    "role_addresses",
    "roles",
    "waivers",
]
