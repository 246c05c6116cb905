"""The sentences of the portal for what the core decides: one place for each kind of decision."""

from flask_babel import lazy_gettext as _

from core.aliases import ClaimProblem
from core.recipients import ProofProblem
from core.routing import Fate

CLAIM_PROBLEMS = {
    ClaimProblem.TAKEN: (
        409,
        _("Somebody else has this address. Should it be yours? Write to the admins."),
    ),
    ClaimProblem.RESERVED: (
        403,
        _("This name is kept for the project. Write to the admins for another."),
    ),
    ClaimProblem.IMPOSSIBLE: (
        422,
        _("Your name cannot be a mail address here. Write to the admins for another one."),
    ),
    ClaimProblem.NOT_ENTITLED: (403, _("You are not entitled to this address at the moment.")),
    ClaimProblem.STALE: (
        403,
        _("This was not confirmed within the last 24 hours. Press “Check again” first."),
    ),
    ClaimProblem.ONE_NAME: (
        409,
        _("You have two names on this domain already. A further one can be taken 12 months after the last."),
    ),
    ClaimProblem.NEEDS_RECIPIENT: (422, _("Say where your mail shall go.")),
}
"""Status and sentence of each refused claim."""

PROOF_PROBLEMS = {
    ProofProblem.BROKEN: (
        404,
        _("This link is not complete, or a newer one was sent. Use the link of the newest mail."),
    ),
    ProofProblem.EXPIRED: (410, _("This link has expired. Ask for a new mail on your page.")),
    ProofProblem.OTHER_PERSON: (
        403,
        _("Another account asked for this. Sign in as the person who asked, and open the link again."),
    ),
    ProofProblem.USED: (410, _("This address is confirmed already. Nothing is left to do.")),
}
"""Status and sentence of each refused verification link."""

FATES = {
    Fate.DELIVER: ("positive", _("works")),
    Fate.HELD: ("negative", _("suspended")),
    Fate.ENDED: ("negative", _("ended")),
    Fate.OFF_LATER: ("caution", _("off, senders try later")),
    Fate.OFF_REFUSED: ("caution", _("off, mail is refused")),
    Fate.NO_RECIPIENT_YET: ("caution", _("waits for a confirmed mailbox")),
    Fate.NO_RECIPIENT: ("negative", _("has no confirmed mailbox, mail is refused")),
}
"""Colour and words for what mail to one's own address gets."""
