"""The sentences of the portal for what the core decides: one place for each kind of decision."""

from collections import defaultdict

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from markupsafe import Markup, escape

from app.presentation import breaks
from core.aliases import ClaimProblem
from core.delivery import MessageClass
from core.eligibility import Condition
from core.history import Change
from core.recipients import ProofProblem
from core.routing import Fate, Hold
from core.submission import Outcome

CLAIM_PROBLEMS = {
    ClaimProblem.TAKEN: (409, _("Somebody else has this address. Should it be yours?")),
    ClaimProblem.KEPT: (409, _("This address is kept for you. Prove that it is you, above on this page.")),
    ClaimProblem.RESERVED: (403, _("This name is kept for the project.")),
    ClaimProblem.IMPOSSIBLE: (422, _("Your name cannot be a mail address here.")),
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

FOR_ADMINS = (ClaimProblem.TAKEN, ClaimProblem.RESERVED, ClaimProblem.IMPOSSIBLE)
"""Where only the admins can help."""

ACCOUNT_WIDE = (
    Condition.NOT_BANNED,
    Condition.HAS_ACCOUNT,
    Condition.ACCOUNT_VALID,
    Condition.COC_SIGNED,
)
"""What is true or not of a person on all domains alike."""

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

HOLDS = {
    Hold.ADMIN: _("An admin has suspended this address. Its mail is refused until they lift that."),
    Hold.BAN: _("An admin has closed your account here. Mail for its addresses is refused."),
    Hold.LAUNCHPAD: _("Your account is suspended. Mail is refused until it is active again."),
}
"""Why an address is held."""

MESSAGE_CLASSES = {
    MessageClass.DISOWNED: _(
        "forged, by the word of the domain in its From: refused here, as that domain asks"
    ),
    MessageClass.POLICY: _("taken for spam, or its sender failed the server's checks"),
    MessageClass.SIZE: _("too big for the mailbox"),
    MessageClass.CONTENT: _("of a kind that the server cannot take"),
    MessageClass.SENDER: _("from an address that the server does not believe"),
    MessageClass.OTHER: _("for a reason that its code does not tell"),
}
"""What kind of message a server refused."""

STAGES = {
    "dns": _("Looking for its mail server"),
    "connect": _("Connecting to its mail server"),
    "greeting": _("Its greeting"),
    "ehlo": _("Our greeting"),
    "starttls": _("Encryption"),
    "auth": _("Our name and password"),
    "mail": _("The sender"),
    "rcpt": _("The mailbox"),
    "data": _("Ready for the mail"),
    "content": _("The whole mail"),
}
"""The steps of a mail's way to a mail server, as the relay names them."""

RESULTS = {
    "delivered": ("positive", _("accepted")),
    "refused": ("negative", _("refused for good")),
    "deferred": ("caution", _("not taken now")),
}
"""Colour and words for how a try at a mailbox ended."""

OUTCOMES = {
    Outcome.DELIVERED: _("The test mail was accepted."),
    Outcome.REFUSED: _("The test mail was refused."),
    Outcome.TRY_LATER: _("The test mail was not taken now."),
}

_SWITCHED = {
    "on": _("It was switched on."),
    "off-later": _("It was switched off; senders try later."),
    "off-refused": _("It was switched off; mail is refused."),
}
_CHANGES = {
    "alias-claimed": _("It was claimed. Mail goes to %(recipient)s."),
    "alias-taken-again": _("It was claimed again."),
    "alias-granted": _("An admin granted it. Mail goes to %(recipient)s."),
    "grace-moved": _("An admin moved its end."),
    "alias-imported": _("It was brought over from the old system."),
    "reservation-looked-up": _("Whose it may be was looked up by its Launchpad name."),
    "takeover-code-sent": _("A code was sent to its first mailbox, to prove whose it is."),
    "alias-taken-over": _("Its owner took it over."),
    "alias-given-up": _("It was given up."),
    "name-released": _("An admin freed its name for others."),
    "look-alike-accepted": _("An admin let its name stay, though it looks like another one."),
    "reservation-dropped": _("An admin took it out of those that were brought over."),
    "alias-moved-away": _("The admins gave it to somebody else."),
    "alias-moved-here": _("The admins gave it to its owner of today."),
    "alias-provided": _("It was given to its owner, as this domain does for its members."),
    "alias-grace-started": _("Its owner is not entitled to it any more: the grace time began."),
    "alias-grace-lifted": _("Its owner is entitled to it again."),
    "alias-ended": _("It ended."),
    "alias-held": _("It was suspended, as its owner is."),
    "alias-released": _("Its suspension ended."),
    "alias-label-set": _("Its label is “%(after)s” now."),
    "mailboxes-shown": _("An admin looked at where its mail goes."),
    "recipient-added": _("%(address)s was added."),
    "recipient-proven": _("%(address)s was confirmed."),
    "recipient-proven-at-sign-in": _("%(address)s was confirmed by signing in."),
    "recipient-to-be-replaced": _("%(after)s is to take the place of %(before)s when it is confirmed."),
    "recipient-replaced": _("%(after)s took the place of %(before)s."),
    "recipient-removed": _("%(address)s was removed."),
    "recipients-ordered": _("The order of the mailboxes was changed."),
    "person-banned": _("The account of its owner was closed."),
    "person-unbanned": _("The account of its owner was opened again."),
}
_CHOICES = {
    ("alias-delivery-order-set", "all"): _("Mail goes to all its mailboxes."),
    ("alias-delivery-order-set", "first"): _("Mail goes to the first mailbox that takes it."),
    ("alias-keeps-tag-set", "True"): _("Mailboxes get the part after a +."),
    ("alias-keeps-tag-set", "False"): _("Mailboxes do not get the part after a +."),
    ("alias-label-set", ""): _("Its label was removed."),
}


def change_words(change: Change) -> Markup:
    """Say in a sentence what a change of an address was."""
    verb, values = change.verb, dict(change.values)
    if verb == "recipients-set":
        before, after = values.get("before", []), values.get("after", [])
        gone = [address for address in before if address not in after]
        verb, values = ("recipient-removed", {"address": gone[0]}) if gone else ("recipients-ordered", {})
    after = str(values.get("after"))
    known = _SWITCHED.get(after) if verb == "alias-switched" else _CHOICES.get((verb, after))
    sentence = known or _CHANGES.get(verb) or _("Changed: %(verb)s")
    shown = {name: breaks(str(value)) for name, value in {**values, "verb": verb}.items()}
    return escape(str(sentence)) % defaultdict(lambda: Markup("…"), shown)


def actor_words(change: Change, person_id: int) -> str:
    """Say who made a change, to this person."""
    if change.actor == f"person:{person_id}":
        return gettext("you")
    if change.actor.startswith("person:"):
        return change.actor_name or gettext("somebody who is no longer here")
    return gettext("automatically") if change.actor.startswith("job:") else gettext("an admin")
