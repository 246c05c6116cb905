"""The contributor's pages: HTTP only, the rules are in the core.

Every action is a plain form. With HTMX it swaps the part of the page that changed; without, the page
comes back as a whole. Both render the same template file.
"""

from app.portal import address, home, proof, role_addresses, test_mail
from app.portal.blueprint import blueprint

__all__ = ["address", "blueprint", "home", "proof", "role_addresses", "test_mail"]
