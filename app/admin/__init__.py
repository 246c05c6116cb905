"""The admins' pages: what waits for them, and what they look things up with."""

from app.admin import audit, dns, domains, held, lookup, overview, waivers
from app.admin.blueprint import blueprint

__all__ = ["audit", "blueprint", "dns", "domains", "held", "lookup", "overview", "waivers"]
