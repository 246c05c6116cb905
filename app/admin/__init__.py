"""The admins' pages: what waits for them, and what they look things up with."""

from app.admin import aliases, audit, bulk, failing, held, lookup, names, overview, people, waivers
from app.admin.blueprint import blueprint

__all__ = [
    "aliases",
    "audit",
    "blueprint",
    "bulk",
    "failing",
    "held",
    "lookup",
    "names",
    "overview",
    "people",
    "waivers",
]
