"""The admins' pages: what waits for them, and what they look things up with."""

from app.admin import audit, dns, domains, freed, held, imports, jobs, lookup, overview, roles, waivers
from app.admin.blueprint import blueprint

__all__ = [
    "audit",
    "blueprint",
    "dns",
    "domains",
    "freed",
    "held",
    "imports",
    "jobs",
    "lookup",
    "overview",
    "roles",
    "waivers",
]
