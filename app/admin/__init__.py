"""The admins' pages: what waits for them, and what they look things up with."""

from app.admin import audit, freed, held, imports, jobs, lookup, overview, roles, waivers
from app.admin.blueprint import blueprint

__all__ = ["audit", "blueprint", "freed", "held", "imports", "jobs", "lookup", "overview", "roles", "waivers"]
