"""The words of the admins' pages for what the core decides."""

from flask_babel import lazy_gettext as _

from core.bulk import Action, Outcome
from core.eligibility import Condition
from core.facts import Answer
from core.reserved import NameClass
from core.roles import Role
from core.route_steps import Hosts
from core.routing import Entitlement, Fate, Hold, Switch

ANSWERS = {
    Answer.YES: ("positive", _("yes")),
    Answer.NO: ("negative", _("no")),
    Answer.UNKNOWN: ("caution", _("not known for sure")),
}
"""Colour and words."""

CONDITIONS = {
    Condition.DOMAIN_VERIFIED: _("The domain is proven"),
    Condition.NOT_BANNED: _("Not banned here"),
    Condition.HAS_ACCOUNT: _("Has an account there"),
    Condition.ACCOUNT_VALID: _("The account is active"),
    Condition.COC_SIGNED: _("The Code of Conduct is signed"),
    Condition.TEAM_MEMBER: _("In one of the teams"),
    Condition.WAIVER: _("A waiver stands in for the team"),
}

HELD_FACTS = {
    "valid": _("the account is not active any more"),
    "coc_signed": _("the Code of Conduct is not signed any more"),
    "not_suspended": _("the account is suspended"),
}

ROLES = {
    Role.PROJECT_ADMIN: _("Admin of the project"),
    Role.DOMAIN_ADMIN: _("Admin of a domain"),
    Role.AUDITOR: _("Auditor"),
}

ENTITLEMENTS = {
    Entitlement.ENTITLED: _("entitled"),
    Entitlement.GRACE: _("ends soon"),
    Entitlement.ENDED: _("ended"),
}

SWITCHES = {
    Switch.ON: _("on"),
    Switch.OFF_LATER: _("off for a while"),
    Switch.OFF_REFUSED: _("off"),
    Switch.GIVEN_UP: _("given up"),
}

HOLDS = {
    Hold.NONE: _("none"),
    Hold.ADMIN: _("by an admin"),
    Hold.BAN: _("its owner is banned"),
    Hold.LAUNCHPAD: _("its owner's account is suspended"),
}

FATES = {
    Fate.DELIVER: _("Its mail is passed on."),
    Fate.UNKNOWN_DOMAIN: _("The domain is not served here, or not proven: mail is refused."),
    Fate.UNKNOWN_ADDRESS: _("Nobody has this address: mail is refused."),
    Fate.HELD: _("It is suspended: mail is refused until that is lifted."),
    Fate.ENDED: _("It has ended or was given up: mail is refused."),
    Fate.OFF_LATER: _("Its owner switched it off for a while: senders try later."),
    Fate.OFF_REFUSED: _("Its owner switched it off: mail is refused."),
    Fate.NO_RECIPIENT_YET: _("It has no confirmed mailbox yet: senders try later."),
    Fate.NO_RECIPIENT: _("It has had no confirmed mailbox for three days: mail is refused."),
}
"""What mail for an address gets, and why."""

ACTIONS = {
    Action.CHECK: _("Check now"),
    Action.HOLD: _("Suspend their addresses"),
    Action.LIFT: _("Lift the suspension of their addresses"),
    Action.END_SESSIONS: _("Sign out everywhere"),
    Action.BAN: _("Ban"),
    Action.UNBAN: _("Lift the ban"),
}

OUTCOMES = {
    Outcome.DONE: ("positive", _("done")),
    Outcome.NOTHING: ("neutral", _("nothing to do")),
    Outcome.NOT_ALLOWED: ("caution", _("you may not")),
    Outcome.FAILED: ("caution", _("no clear answer")),
}
"""Colour and words for what became of one person."""

WOULD = OUTCOMES | {Outcome.DONE: ("positive", _("would be done"))}
"""The same of a dry run."""

NAME_CLASSES = {
    NameClass.ROLE: _("Names of office in mail (RFC 2142): their mail always reaches the admins"),
    NameClass.CERTIFICATE: _("Names with which a certificate is got for a domain"),
    NameClass.MAIL: _("Names of mail systems; also all that begin like a rewritten sender, as srs0="),
    NameClass.SYSTEM: _("Accounts and services of a machine"),
    NameClass.OFFICE: _("Names that seem to speak for the project"),
    NameClass.BRAND: _("Names that look official; also what the names of the domains begin with"),
}
"""Why a name is kept back."""

HOSTS = {
    Hosts.MX: ("positive", _("Its mail servers are %(names)s.")),
    Hosts.ADDRESS: ("positive", _("It names no mail server; mail goes to the domain's own address.")),
    Hosts.NO_MAIL: ("negative", _("Its domain says that it takes no mail.")),
    Hosts.NONE: ("negative", _("There is no such domain, or none that takes mail.")),
    Hosts.UNKNOWN: ("caution", _("DNS gave no clear answer now; the relay would have senders try later.")),
}
"""Colour and words for where DNS says that a mailbox's domain takes mail."""
