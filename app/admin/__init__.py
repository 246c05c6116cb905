"""The admins' pages: what waits for them, and what they look things up with."""

from app.admin import audit, freed, held, jobs, lookup, overview, roles, waivers
from app.admin.blueprint import blueprint

__all__ = ["audit", "blueprint", "freed", "held", "jobs", "lookup", "overview", "roles", "waivers"]
