"""The privacy page speaks of every column: each has its words there, and a new one fails without."""

import pytest

from app.public.privacy import GROUPS
from core import models
from core.models import TABLES, Table
from tests.app.test_public_privacy import entries
from tests.support.portal import Portal
from tests.support.webclient import Client

NOBODY = "Nothing about a person."

SAID: dict[type[Table], dict[str, str]] = {
    models.Person: {
        "Your name in": "launchpad_name",
        "when that account was made": "account_created",
        "your full name there": "display_name",
        "once more in small letters": "name_key sign_in_key",
        "The address that Ubuntu One told us": "sign_in_email",
        "whether it is proven": "sign_in_email_proven",
        "The language that your browser": "language",
        "that you chose yourself": "language_chosen",
        "the mails that you chose": "muted",
        "whether and when an admin has closed": "banned_at",
        "was last asked about you": "asked_at",
        "sent yourself a test mail": "tested_at",
        "When you first came here": "created_at",
    },
    models.Identity: {
        "The identifier that Ubuntu One gives you": "issuer subject person",
        "when it first came": "added_at",
    },
    models.Membership: {
        "For each team that a domain here asks for": "person team",
        "whether you are in it": "holds",
        "since when": "since",
        "last looked up": "read_at",
        "said only once": "first_no_at",
    },
    models.AccountFact: {
        "Whether it is active, whether it is suspended": "person fact holds",
        "since when": "since",
        "when looked up": "read_at",
        "said only once": "first_no_at",
        "waits for an admin": "held_at",
        "last turned to “no”": "turned_at",
    },
    models.Waiver: {
        "What you asked for": "person kind domain local_part",
        "until when": "ends_at",
        "your reason": "reason",
        "the answer": "state answer",
        "and when": "asked_at decided_at",
    },
    models.Reservation: {
        "The name in": "launchpad_name alias",
        "how old the list is": "listed_at imported_at",
        "how far that name is looked up": "state asked_at",
        "who asked for it": "code_for",
        "a code was sent": "code_sent_at",
        "how often one was tried": "code_tries",
    },
    models.ImportRun: {
        "A file that an admin brings": "content",
        "When it came": "made_at",
        "of which day it is": "listed_at",
        "how far the work on it is": "state problem lines done",
    },
    models.ImportLine: {
        "The address": "run number address",
        "whether it could be kept": "fate detail",
    },
    models.Alias: {
        "Name and domain of each": "domain local_part",
        "that it is yours": "person shared",
        "everything that you see and choose on its page": "by_self_service entitlement keeps_tag",
        "its label": "label",
        "switched on or off": "switch switched_at",
        "the order of its mailboxes": "delivery_order",
        "when it began": "created_at",
        "until when it lasts": "grace_until",
        "has stopped it": "hold",
        "of which end you were reminded": "grace_told",
        "since when no mailbox of it works": "unreachable_since",
        "which kept name it looks like": "looks_like",
        "the sign-in identifier that may have it": "reserved_issuer reserved_subject",
    },
    models.Recipient: {
        "Each mailbox that you named": "person address added_at",
        "the spelling by which equal ones are found": "address_key",
        "whether and when you, or the old system, confirmed it": "verified_at imported_at",
        "a random number for its confirmation mail": "proof_nonce",
        "when that was sent": "proof_sent_at",
        "with which code it was refused": "proof_refused",
        "while its server refuses mail": "failing_since failing_with",
    },
    models.AliasRecipient: {
        "The mailboxes of each address": "alias recipient",
        "in your order": "position",
        "which one goes when a new one is confirmed": "replaces",
    },
    models.ErasedOwner: {"a keyed hash of the sign-in identifier": "alias owner"},
    models.AliasOwner: {
        "Who looks after an address": "alias person",
        "until when": "entitlement grace_until grace_told",
        "an admin has stopped that": "hold",
    },
    models.DeliveryCount: {
        "For each of your mailboxes and each day": "recipient day",
        "how often mail was delivered, put off or refused": "event count",
        "the code with which it was refused": "enhanced",
    },
    models.Notice: {
        "That a mail was written to you": "person unique_key made_at",
        "of which kind": "kind",
        "about which of your addresses": "subject_ids",
        "to which of your mailboxes": "recipient to_sign_in",
        "each mailbox, for one last mail": "address",
        "when it was due and sent": "due_at lease_until sent_at",
        "the code with which it was refused": "failed_with",
    },
    models.Session: {
        "a hash of its key": "token_hash person",
        "when you signed in": "created_at",
        "last gave your password": "authenticated_at",
        "in which hour it was last used": "seen_at",
        "asked to have you sign in anew": "asked_anew",
        "when that was sent": "code_sent_at",
        "how often one was tried": "code_tries",
    },
    models.StashedAnswer: {"What Ubuntu One says of you": "id_hash fields expires_at"},
    models.UsedNonce: {"A hash of the one-time number": "nonce seen_at"},
    models.Problem: {
        "something about you could not be looked up": "person about",
        "what was tried": "tried",
        "why it failed": "why",
        "and when": "quarter at",
    },
    models.BulkRun: {
        "what they began": "by action follows",
        "when": "begun_at",
        "when it was finished": "finished_at",
    },
    models.BulkLine: {
        "did something to you and others at once": "run person",
        "what became of it": "outcome",
    },
    models.AuditEntry: {
        "when": "at",
        "which kind": "verb",
        "the number of the person who made it": "actor",
        "the numbers of the rows": "subject_ids",
        "a hash that commits to them": "commitment mac",
    },
    models.AuditSubject: {"the numbers of the rows": "entry name row_id"},
    models.AuditValue: {"The names and addresses of each change": "entry salt values"},
    models.AuditHead: {"The number of its last entry": "entry_id", "a seal": "seal"},
    models.RoleGrant: {
        "The sign-in identifier of each admin": "issuer subject",
        "the role": "role",
        "its domain": "domain",
        "since when": "granted_at",
    },
    models.TeamReading: {
        "The names of all members": "team names count",
        "as Launchpad gives them out": "read_at held_because",
    },
    models.RoleTeam: {NOBODY: "team role domain granted_at"},
    models.TeamSync: {
        NOBODY: "team fence running began_at beat_at people_read people_total finished_at "
        "problem problem_since"
    },
    models.Domain: {
        NOBODY: "name verification_token verified_at removed_at coc_required grace_days automatic added_at "
        "proof_looked_at proof_said proof_missing_since closed_at waits_for_admin dmarc_policy dns_link_nonce"
    },
    models.DomainTeam: {NOBODY: "domain team"},
    models.DkimKey: {
        NOBODY: "domain selector algorithm record sealed created_at published_at retired_at missing_since"
    },
    models.AdminLink: {NOBODY: "token_hash expires_at"},
    models.ReservedName: {NOBODY: "domain local_part"},
}
"""Of each table: words of its entry, and the columns that they are about; a row's own number is none."""


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_the_page_speaks_of_every_column(table: type[Table]) -> None:
    told = sorted(" ".join(SAID[table].values()).split())

    assert told == sorted(name for name in table._meta.fields if name != "id")


def test_the_words_of_each_column_are_on_the_page(portal: Portal, client: Client) -> None:
    tables = [table for _, group in GROUPS for table in group]
    said = list(entries(client.get("/privacy").page).values())[: len(tables)]
    shown = dict(zip(tables, said, strict=True))

    missing = {
        (table.__name__, words) for table in TABLES for words in SAID[table] if words not in shown[table][0]
    }
    assert missing == set()


@pytest.mark.parametrize("table", [table for table in TABLES if NOBODY in SAID[table]])
def test_a_table_about_nobody_leads_to_nobody(table: type[Table]) -> None:
    assert not {field.rel_model for field in table._meta.refs} & {models.Person, models.Identity}
