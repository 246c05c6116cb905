"""The words of the admins' pages for what the core decides."""

from flask_babel import lazy_gettext as _

from app.presentation import told
from core.bulk import Action
from core.bulk import Outcome as BulkOutcome
from core.dns_asking import Outcome
from core.eligibility import Condition
from core.facts import Answer
from core.import_rules import Fate as LineFate
from core.import_rules import sentence_on
from core.import_runs import State
from core.models import Domain, ImportLine
from core.reservations import NameState
from core.reserved import NameClass
from core.roles import Role
from core.route_steps import Hosts
from core.routing import Entitlement, Fate, Hold, Switch
from core.translation import unpacked

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

SAID = {
    Outcome.FOUND: _("the record is there."),
    Outcome.ABSENT: _("the record is not there."),
    Outcome.UNKNOWN: _("DNS gave no clear answer, which changes nothing."),
}
"""What DNS said of the record that proves a domain."""


def proof_of(domain: Domain) -> tuple[str, object]:
    """Return colour and words for how the proof of a domain stands."""
    if domain.verified_at is None:
        return "caution", _("not proven yet")
    if domain.closed_at is not None:
        return "negative", _("not proven any more")
    return ("caution", _("record missing")) if domain.proof_missing_since else ("positive", _("proven"))


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
    BulkOutcome.DONE: ("positive", _("done")),
    BulkOutcome.NOTHING: ("neutral", _("nothing to do")),
    BulkOutcome.NOT_ALLOWED: ("caution", _("you may not")),
    BulkOutcome.FAILED: ("caution", _("no clear answer")),
}
"""Colour and words for what became of one person."""

WOULD = OUTCOMES | {BulkOutcome.DONE: ("positive", _("would be done"))}
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

IMPORT_STATES = {
    State.CHECKING: ("caution", _("being looked at")),
    State.CHECKED: ("caution", _("waits for your word")),
    State.BROKEN: ("negative", _("cannot be read")),
    State.RUNNING: ("caution", _("being brought in")),
    State.DONE: ("positive", _("brought in")),
}
"""Colour and words for how far a list of old addresses is."""

FATES_OF_LINES = {
    LineFate.NEW: _("new"),
    LineFate.RESERVED: _("kept"),
    LineFate.UNREADABLE: _("not readable"),
    LineFate.BAD_ADDRESS: _("no address"),
    LineFate.NOT_OURS: _("of another domain"),
    LineFate.BAD_LOCAL_PART: _("no possible name"),
    LineFate.KEPT_BACK: _("kept for the project"),
    LineFate.NO_RECIPIENT: _("without recipient"),
    LineFate.BAD_RECIPIENT: _("with a wrong recipient"),
    LineFate.LOOP: _("in a circle"),
    LineFate.TOO_MANY: _("with too many recipients"),
    LineFate.BAD_NAME: _("with a wrong Launchpad name"),
    LineFate.TWICE: _("twice"),
    LineFate.TAKEN: _("taken"),
    LineFate.DIFFERS: _("otherwise kept already"),
}
"""A few words for what becomes of a line of such a list; the sentence is in `core.import_rules`."""

NAME_STATES = {
    NameState.ASKING: _("not looked up yet"),
    NameState.FOUND: _("found; its owner has not taken the address over"),
    NameState.NO_NAME: _("none in the list"),
    NameState.NO_ACCOUNT: _("no account of that name"),
    NameState.TOO_YOUNG: _("the account is younger than the list"),
    NameState.UNCLEAR: _("no clear answer; asked again"),
    NameState.BANNED: _("the account of somebody banned here"),
}
"""How far the Launchpad name of a kept address is looked up."""


def line_words(line: ImportLine) -> str:
    """Say in a sentence what becomes of a line."""
    return told(sentence_on(LineFate(line.fate), unpacked(line.detail)))
