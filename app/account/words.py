"""The sentences of the page “My data”; what is stored is said in `app.public.privacy`."""

from flask_babel import lazy_gettext as _

from core.preferences import Topic

TOPICS = {
    Topic.REQUESTS: _("Answers to my requests (they stand on this site, too)"),
    Topic.NEW_ADDRESSES: _("As an admin: somebody claimed an address"),
    Topic.REQUESTS_OF_OTHERS: _("As an admin: somebody asks for a waiver"),
}
"""Notices that may be switched off."""
