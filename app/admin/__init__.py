"""The admins' pages: what waits for them, and what they look things up with."""

from app.admin import (
    aliases,
    audit,
    bulk,
    dns,
    domains,
    failing,
    first_run,
    freed,
    held,
    imports,
    jobs,
    lookup,
    names,
    overview,
    people,
    roles,
    waivers,
)
from app.admin.blueprint import blueprint

__all__ = [
    "aliases",
    "audit",
    "blueprint",
    "bulk",
    "dns",
    "domains",
    "failing",
    "first_run",
    "freed",
    "held",
    "imports",
    "jobs",
    "lookup",
    "names",
    "overview",
    "people",
    "roles",
    "waivers",
]
