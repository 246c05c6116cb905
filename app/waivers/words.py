"""The sentences of the waiver pages: for each kind what is asked for, and for each state how it stands."""

from flask_babel import lazy_gettext as _

from core.waiver_rules import Kind, State

KINDS = {
    Kind.LOCAL_PART: _("Another name"),
    Kind.DOMAIN: _("A domain whose team you are not in"),
    Kind.GRACE: _("More time for an address that ends"),
}

HINTS = {
    Kind.LOCAL_PART: _(
        "An address with another name than the one that you would claim, on a domain you are entitled to."
    ),
    Kind.DOMAIN: _(
        "The right to an address on a domain without being in its team. A valid account, and the Code of "
        "Conduct where the domain asks for it, are needed all the same."
    ),
    Kind.GRACE: _("A later end for addresses of yours on a domain that are about to end, or have ended."),
}

STATES = {
    State.ASKED: ("caution", _("waits for an admin")),
    State.GRANTED: ("positive", _("granted")),
    State.REFUSED: ("negative", _("not granted")),
    State.WITHDRAWN: ("caution", _("taken back")),
}
"""Colour and words."""
