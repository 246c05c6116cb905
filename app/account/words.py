"""What is stored about a person, in words: one paragraph for each kind of thing."""

from dataclasses import dataclass

from flask_babel import lazy_gettext as _

from core import models
from core.preferences import Topic


@dataclass(frozen=True)
class Kept:
    """One kind of thing: what it is called, what is kept of it, and in which tables.

    The template fills in `%(directory)s`, which stands for where the person's teams are.
    """

    name: str
    words: str
    tables: tuple[type[models.Table], ...]


KEPT = (
    Kept(
        _("Your account"),
        _(
            "The identifier of your sign-in, the mail address and the language that came with it, "
            "your name and account at %(directory)s. No password."
        ),
        (models.Person, models.Identity),
    ),
    Kept(
        _("What %(directory)s says"),
        _("Whether the account is active, the Code of Conduct is signed, and you are in a team that counts."),
        (models.AccountFact, models.Membership, models.TeamReading),
    ),
    Kept(
        _("Your addresses"),
        _("Each with its mailboxes and your choices; and names that you left when you were here before."),
        (models.Alias, models.AliasOwner, models.AliasRecipient, models.ErasedOwner),
    ),
    Kept(
        _("Your mailboxes"),
        _("Where your mail goes, when you confirmed it, and since when one refuses mail."),
        (models.Recipient,),
    ),
    Kept(
        _("Counts of deliveries"),
        _("How many mails a mailbox got or refused on a day. Never who wrote, and never what."),
        (models.DeliveryCount,),
    ),
    Kept(
        _("Requests to the admins"),
        _("What you asked for, your reason, and the answer."),
        (models.Waiver,),
    ),
    Kept(
        _("Mails that we wrote"),
        _("Which kind of mail went to you, or to an admin about you, and when. Not its text."),
        (models.Notice,),
    ),
    Kept(
        _("Browsers"),
        _("When you signed in and when you were last here, to the hour. No network address."),
        (models.Session,),
    ),
    Kept(_("Roles"), _("What you may administer here."), (models.RoleGrant,)),
    Kept(
        _("The record of changes"),
        _("Every change that you made, or that was made to what is yours."),
        (models.AuditEntry,),
    ),
)
"""A test holds that every table of the export is in here."""

TOPICS = {
    Topic.REQUESTS: _("Answers to my requests (they stand on this site, too)"),
    Topic.NEW_ADDRESSES: _("As an admin: somebody claimed an address"),
    Topic.REQUESTS_OF_OTHERS: _("As an admin: somebody asks for a waiver"),
}
"""Notices that may be switched off."""
