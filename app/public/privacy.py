"""What is stored, for those it is about: one entry for each table, and one for each other place.

Tests hold that every table of `core.models` has its entry, and every column its words. Periods come from
the code that keeps to them. `%(provider)s` and `%(directory)s` stand for where people sign in and where
their teams are; the template fills them in.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _

from app.auth.pending import LASTS as SIGN_IN_LASTS
from core import models
from core.openid_state import NONCE_LASTS, STASH_LASTS
from core.sessions import LASTS as SESSION_LASTS
from core.sweep import BULK_LASTS, COUNTS_LAST, IMPORTS_LAST, NOTICES_LAST, PROBLEMS_LAST


@dataclass(frozen=True)
class Kept:
    """One kind of thing that is kept: its name, what is in it, why, and how long."""

    name: str
    what: str
    why: str
    how_long: str


UNTIL_DELETED = _("Until your account here is deleted.")
AS_LONG_AS_THERE = _("As long as the admins keep it so.")

Tables = Mapping[type[models.Table], Kept]

YOU: Tables = {
    models.Person: Kept(
        _("Your account"),
        _(
            "Your name in %(directory)s, your full name there, and when that account was made. The address "
            "that %(provider)s told us at a sign-in, and whether it is proven. The language that your "
            "browser or %(provider)s asked for then. The language and the mails that you chose yourself. "
            "When you first came here, when %(directory)s was last asked about you, when you last sent "
            "yourself a test mail, and whether and when an admin has closed your account. Name and address "
            "once more in small letters, by which the admins find you."
        ),
        _(
            "Your name in %(directory)s becomes your address. The rest is there to know you again, to write "
            "to you in your language, and to reach you when something is wrong with a mailbox."
        ),
        UNTIL_DELETED,
    ),
    models.Identity: Kept(
        _("Your sign-in"),
        _(
            "The identifier that %(provider)s gives you, and when it first came: neither a name nor an "
            "address. No password."
        ),
        _("It alone says who you are. Names can be changed, and taken by somebody else afterwards."),
        UNTIL_DELETED,
    ),
    models.Membership: Kept(
        _("Your teams"),
        _(
            "For each team that a domain here asks for: whether you are in it, since when, and when that was "
            "last looked up; a “no” that was said only once, and when. Other teams of yours are not kept."
        ),
        _("They decide which addresses you may have."),
        UNTIL_DELETED,
    ),
    models.AccountFact: Kept(
        _("The state of your account in %(directory)s"),
        _(
            "Whether it is active, whether it is suspended, and whether the Code of Conduct is signed; since "
            "when, and when looked up; a “no” that was said only once, and when; since when one waits for an "
            "admin, and when the answer last turned to “no”."
        ),
        _("They are conditions for an address."),
        UNTIL_DELETED,
    ),
    models.Waiver: Kept(
        _("What you asked the admins for"),
        _("What you asked for beyond the rules, until when, your reason, the answer, and when."),
        _("The admins decide by it, and you can read the answer."),
        UNTIL_DELETED,
    ),
}

ADDRESSES: Tables = {
    models.Reservation: Kept(
        _("Addresses of the old system that wait for their owners"),
        _(
            "The name in %(directory)s that the old list has for an address, how old the list is, and how "
            "far that name is looked up; when a code was sent to its first mailbox, who asked for it, and "
            "how often one was tried."
        ),
        _("Mail goes on while its owner has not been here yet, and nobody else gets the address."),
        _("Until its owner takes it over, or an admin takes it out."),
    ),
    models.ImportRun: Kept(
        _("Lists of old addresses"),
        _(
            "A file that an admin brings: addresses, mailboxes, and names in %(directory)s. When it came, of "
            "which day it is, and how far the work on it is."
        ),
        _("Addresses of an old system go on working."),
        _("The file until it is brought in, the rest %(days)s days at most.", days=IMPORTS_LAST.days),
    ),
    models.ImportLine: Kept(
        _("What became of each line of such a list"),
        _("The address, and whether it could be kept for its owner. No mailbox."),
        _("The admins see what they must put right."),
        _("%(days)s days at most.", days=IMPORTS_LAST.days),
    ),
    models.Alias: Kept(
        _("Your addresses"),
        _(
            "Name and domain of each, that it is yours, and everything that you see and choose on its page: "
            "its label, switched on or off, the order of its mailboxes, when it began and until when it "
            "lasts. Whether an admin or %(directory)s has stopped it, of which end you were reminded, since "
            "when no mailbox of it works, and which kept name it looks like. For one that waits for you from "
            "an old list, the sign-in identifier that may have it."
        ),
        _("The relay looks here for every mail."),
        _(
            "Until your account here is deleted; an address that you gave up stays yours and can be taken "
            "again. After that only its name and domain stay, blocked, with a keyed hash of your sign-in "
            "identifier: nobody but you can ever have the name again, and nobody can read from it who you "
            "were."
        ),
    ),
    models.Recipient: Kept(
        _("Your mailboxes"),
        _(
            "Each mailbox that you named, also in the spelling by which equal ones are found, and when; "
            "whether and when you, or the old system, confirmed it; a random number for its confirmation "
            "mail, when that was sent, and with which code it was refused; and, while its server refuses "
            "mail, since when and with which code."
        ),
        _("Mail for your address goes there, and only after you have confirmed it."),
        UNTIL_DELETED,
    ),
    models.AliasRecipient: Kept(
        _("Which address leads to which mailbox"),
        _("The mailboxes of each address, in your order, and which one goes when a new one is confirmed."),
        _("The relay delivers by it."),
        _("Until you take the mailbox out of the address."),
    ),
    models.ErasedOwner: Kept(
        _("Names that somebody left"),
        _("Beside a blocked name a keyed hash of the sign-in identifier of whoever had it."),
        _("You alone can have a name again that was yours when you were here before."),
        _("For good, or until you have the name again."),
    ),
    models.AliasOwner: Kept(
        _("Addresses with several owners"),
        _("Who looks after an address such as security@, until when, and whether an admin has stopped that."),
        _("Each of the owners can then see and change it."),
        _("Until you are no longer one of them, or your account here is deleted."),
    ),
}

MAIL: Tables = {
    models.DeliveryCount: Kept(
        _("Counts of deliveries"),
        _(
            "For each of your mailboxes and each day, how often mail was delivered, put off or refused, and "
            "the code with which it was refused. Not who wrote, not what, not at what hour."
        ),
        _("So that you can see whether a mailbox works. It is all that is kept of mail."),
        _("%(days)s days at most.", days=COUNTS_LAST.days),
    ),
    models.Notice: Kept(
        _("Mail from us"),
        _(
            "That a mail was written to you, or to the admins about you: of which kind, about which of your "
            "addresses, to which of your mailboxes, when it was due and sent, or the code with which it was "
            "refused. Not its text. Of somebody "
            "who deleted their account, each mailbox, for one last mail, until that is sent."
        ),
        _("Nothing is sent twice, and nothing is forgotten when a machine stops."),
        _("%(days)s days after it was sent or refused.", days=NOTICES_LAST.days),
    ),
}

SIGNING_IN: Tables = {
    models.Session: Kept(
        _("Browsers in which you are signed in"),
        _(
            "For each a hash of its key, when you signed in and last gave your password, and in which "
            "hour it was last used; while a code by mail stands in for the password, when that was sent and "
            "how often one was tried, and whether %(provider)s was asked to have you sign in anew. No "
            "network address and no name of a browser."
        ),
        _("You stay signed in, and can be signed out everywhere at once."),
        _("Until you sign out, or %(days)s days after it was last used.", days=SESSION_LASTS.days),
    ),
    models.StashedAnswer: Kept(
        _("An answer of %(provider)s on its way"),
        _("What %(provider)s says of you at sign-in, when it says it by a form: name, address, language."),
        _("Such a form comes without your browser's cookie; the next request, which has it, fetches this."),
        _(
            "Until that next request, which must come within %(seconds)s seconds. What nobody fetched is "
            "deleted within the hour.",
            seconds=int(STASH_LASTS.total_seconds()),
        ),
    ),
    models.UsedNonce: Kept(
        _("Numbers used once"),
        _("A hash of the one-time number in each answer of %(provider)s."),
        _("No answer can let somebody in twice."),
        _("Up to %(hours)s hours.", hours=int(NONCE_LASTS.total_seconds() // 3600) + 1),
    ),
}

RECORD: Tables = {
    models.Problem: Kept(
        _("What went wrong"),
        _("When something about you could not be looked up: what was tried, why it failed, and when."),
        _("The people who run this are told once in a quarter of an hour."),
        _("%(days)s days at most.", days=PROBLEMS_LAST.days),
    ),
    models.BulkRun: Kept(
        _("What an admin does to many people at once"),
        _("Of admins: what they began, when, and when it was finished."),
        _("It goes on where it stopped when a machine stops."),
        _("%(days)s days after its end.", days=BULK_LASTS.days),
    ),
    models.BulkLine: Kept(
        _("Whom that concerned"),
        _("That an admin did something to you and others at once, and what became of it."),
        _("The admin sees what was done."),
        _("%(days)s days after its end.", days=BULK_LASTS.days),
    ),
    models.AuditEntry: Kept(
        _("The record of changes"),
        _(
            "Each change: when, which kind, the number of the person who made it, and the numbers of the "
            "rows that it was about. Names and addresses are not in it, only a hash that commits to them."
        ),
        _("Nobody, no admin either, can change what was done here without it showing."),
        _("For good; it has no word about you."),
    ),
    models.AuditSubject: Kept(
        _("Where to find what in the record"),
        _("For each change the numbers of the rows that it was about, once more."),
        _("The history of an address is found without reading the whole record."),
        _("As long as the record."),
    ),
    models.AuditValue: Kept(
        _("The words of the record"),
        _("The names and addresses of each change, before and after."),
        _("You and the admins can see what was changed."),
        _("Until your account here is deleted; the record stays checkable without them."),
    ),
    models.RoleGrant: Kept(
        _("Who is an admin"),
        _("The sign-in identifier of each admin, the role, its domain, and since when."),
        _("Admins decide about exceptions and see to problems."),
        _("As long as the role is held."),
    ),
    models.AuditHead: Kept(
        _("Where the record ends"),
        _("The number of its last entry, and a seal. Nothing about a person."),
        _("So that an end that was cut off is noticed."),
        AS_LONG_AS_THERE,
    ),
    models.TeamReading: Kept(
        _("Lists of the teams"),
        _(
            "The names of all members of the teams that the domains ask for, as %(directory)s gives them "
            "out; also of members who never came here."
        ),
        _("When many are suddenly missing from a list, an admin looks before anybody loses anything."),
        _("The last two lists of each team."),
    ),
}

PROJECT: Tables = {
    models.RoleTeam: Kept(
        _("Teams whose members are admins"),
        _("The team, the role, its domain, and since when. Nothing about a person."),
        _("Admins decide about exceptions and see to problems."),
        AS_LONG_AS_THERE,
    ),
    models.TeamSync: Kept(
        _("How the reading of each team goes"),
        _("When it began and ended, and what went wrong. Nothing about a person."),
        _("Two readings do not get into each other's way, and the admins see what is stuck."),
        AS_LONG_AS_THERE,
    ),
    models.Domain: Kept(
        _("The domains"),
        _("Their names and rules. Nothing about a person."),
        _("Addresses are on them."),
        AS_LONG_AS_THERE,
    ),
    models.DomainTeam: Kept(
        _("Which team a domain asks for"),
        _("Names of teams. Nothing about a person."),
        _("Who is entitled rests on them."),
        AS_LONG_AS_THERE,
    ),
    models.DkimKey: Kept(
        _("Keys that sign mail"),
        _("A pair of keys for each domain, the private half encrypted. Nothing about a person."),
        _("Others can check that mail really came through here, unchanged."),
        _("A day after the next one has taken over, the private half is erased."),
    ),
    models.AdminLink: Kept(
        _("The link for the first admin"),
        _("A hash of a random number, and until when it works. Nothing about a person."),
        _("Whoever runs this service makes somebody its admin with it, once."),
        _("Until it is used, or the next one is made."),
    ),
    models.ReservedName: Kept(
        _("Names that are kept back"),
        _("Names such as “security”, on one domain or on all. Nothing about a person."),
        _("Nobody gets them at the press of a button."),
        AS_LONG_AS_THERE,
    ),
}

GROUPS: tuple[tuple[str, Tables], ...] = (
    (_("You"), YOU),
    (_("Your addresses and mailboxes"), ADDRESSES),
    (_("Mail"), MAIL),
    (_("Signing in"), SIGNING_IN),
    (_("The record, and how the rules are kept"), RECORD),
    (_("The project"), PROJECT),
)
"""All tables of the database, in the order of the page."""

ELSEWHERE = (
    Kept(
        _("Cookies in your browser"),
        _(
            "One with the keys of your session and its forms, and the language if you chose one; and while "
            "you sign in one for that sign-in."
        ),
        _(
            "You stay signed in, no other site can press a button in your name, and the pages keep your "
            "language. There is no other cookie."
        ),
        _(
            "Until you sign out or close the browser; the second one %(minutes)s minutes at most.",
            minutes=SIGN_IN_LASTS // 60,
        ),
    ),
    Kept(
        _("Marks of mail that is on its way"),
        _(
            "A keyed hash of sender, address and message while a mail is not yet finished: in memory, and in "
            "the broker as soon as that takes longer. The key changes every week, and nothing can be read "
            "from the hash."
        ),
        _("When the sender's server tries again, nobody gets a second copy."),
        _("A moment; when a delivery was broken off, 5 days at most."),
    ),
    Kept(
        _("Work that waits"),
        _(
            "Numbers of people, of lists and of what an admin began, and names of teams. No names of people "
            "and no addresses."
        ),
        _("Slow work is done beside the pages."),
        _("Until it is done; what failed, a week."),
    ),
    Kept(
        _("How often somebody came"),
        _(
            "How often you did what sends mail or asks %(directory)s or the admins; and how often sign-ins "
            "came from a network address, of which only a keyed hash is kept. In the broker."
        ),
        _("Nobody can flood mailboxes, admins or this portal."),
        _("A day at most."),
    ),
    Kept(
        _("Logs"),
        _(
            "Errors, counts, numbers of rows, and of a person at most the name in %(directory)s. No mail "
            "address, no subject, no sender, and no network address of a visitor."
        ),
        _("The admins see that something is broken."),
        _(
            "As long as the admins keep their machine's log. A web server in front of this portal may keep "
            "one of its own: ask them."
        ),
    ),
)
"""What is kept outside the database."""
