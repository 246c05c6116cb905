"""The admins' pages: what waits for them, and what they look things up with."""

from app.admin import audit, held, lookup, names, overview, waivers
from app.admin.blueprint import blueprint

__all__ = ["audit", "blueprint", "held", "lookup", "names", "overview", "waivers"]
