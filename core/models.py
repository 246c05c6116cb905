"""What is stored. One class a table; the rules are elsewhere.

`migrations/` makes the tables; a test holds that the two agree.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from peewee import (
    AutoField,
    BigAutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
    fn,
)

from core.database import UtcDateTimeField, database
from core.routing import Entitlement, Hold, Order, Switch


class Table(Model):
    """Common to all tables."""

    class Meta:
        database = database
        legacy_table_names = False


class Recorded:
    """Common to the tables of whose rows the record speaks by id: the id of a deleted row is not given again.

    PostgreSQL's sequences see to that. SQLite would take the highest id that is there, and one more.
    """

    _pk: int | None
    _meta: Any

    def save(self, force_insert: bool = False, only: Any = None) -> Any:
        """Write the row; a new one gets an id that neither the table nor the record has."""
        if self._pk is None and not database.obj.for_update:
            self._pk, force_insert = self._next_id(), True
        return super().save(force_insert=force_insert, only=only)  # type: ignore[misc]

    @classmethod
    def insert_rows(cls, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        """Write new rows with one statement, in a transaction; return their ids in the same order."""
        table: Any = cls
        if not rows:
            return []
        if database.obj.for_update:
            return [row_id for (row_id,) in table.insert_many(rows).returning(table.id).tuples()]
        first = cls._next_id()
        table.insert_many([{**row, "id": first + place} for place, row in enumerate(rows)]).execute()
        return list(range(first, first + len(rows)))

    @classmethod
    def _next_id(cls) -> int:
        table: Any = cls
        there = table.select(fn.MAX(table.id)).scalar() or 0
        recorded = AuditSubject.select(fn.MAX(AuditSubject.row_id))
        spoken_of = recorded.where(AuditSubject.name == table._meta.table_name).scalar() or 0
        return int(max(there, spoken_of)) + 1


class Domain(Table):
    """A mail domain of the project."""

    id = AutoField()
    name = CharField(253, unique=True)
    verification_token = CharField(64)
    verified_at = UtcDateTimeField(null=True)
    removed_at = UtcDateTimeField(null=True)
    coc_required = BooleanField(default=True)
    grace_days = IntegerField(default=90)
    automatic = BooleanField(default=False)
    """Whether members get their address without claiming it."""
    added_at = UtcDateTimeField()
    proof_looked_at = UtcDateTimeField(null=True)
    """When its record was last looked for (`core.domain_proof`)."""
    proof_said = CharField(10, null=True)
    """What DNS said then: `found`, `absent` or `unknown`."""
    proof_missing_since = UtcDateTimeField(null=True)
    """When DNS first said clearly that the record is not there; None since it was last found."""
    closed_at = UtcDateTimeField(null=True)
    """Since when it gives out no new names, because the record was missing for so long."""
    waits_for_admin = BooleanField(default=False)
    """Gives out no names before one of its admins has a working mailbox."""
    dmarc_policy = CharField(10, null=True)
    """The strictest DMARC policy that is followed for its authors; None leaves it to DNS and the settings."""
    dns_link_nonce = CharField(64, null=True)
    """Goes into the link to its DNS page that needs no sign-in; None while there is none."""


class DomainTeam(Table):
    """A team of the directory whose members may have an address on the domain."""

    domain_id: int

    id = AutoField()
    domain = ForeignKeyField(Domain, backref="teams", on_delete="CASCADE")
    team = CharField(100, index=True)

    class Meta:
        indexes = ((("domain", "team"), True),)


class TeamReading(Table):
    """What a directory last said of a team; the last two of each team are kept."""

    id = AutoField()
    team = CharField(100, index=True)
    read_at = UtcDateTimeField()
    count = IntegerField()
    names = TextField()
    """JSON list of the members' names."""
    held_because = CharField(100, null=True)
    """Why nobody acts on it until an admin has looked; None when it was accepted."""


class TeamSync(Table):
    """How the reading of a team goes: one row a team, so that one is under way at a time."""

    id = AutoField()
    team = CharField(100, unique=True)
    fence = IntegerField(default=0)
    """Counts the readings begun; one that was overtaken by a newer one writes nothing any more."""
    running = BooleanField(default=False)
    began_at = UtcDateTimeField()
    beat_at = UtcDateTimeField()
    """When the reading under way was last heard of."""
    people_read = IntegerField(default=0)
    people_total = IntegerField(null=True)
    finished_at = UtcDateTimeField(null=True)
    """When a reading last came to a clear end."""
    problem = CharField(200, null=True)
    """Why the last reading was none; None when it was one."""
    problem_since = UtcDateTimeField(null=True)


class Person(Recorded, Table):
    """Someone who signed in."""

    id = AutoField()
    launchpad_name = CharField(100, null=True, index=True)
    account_created = CharField(40, null=True)
    """`date_created` of that account as Launchpad writes it: with the name, it tells accounts apart."""
    display_name = CharField(200, default="")
    name_key = CharField(200, default="", index=True)
    """The display name in lower case, and the sign-in address below: admins search by how they begin."""
    sign_in_email = CharField(400, null=True)
    sign_in_key = CharField(400, null=True, index=True)
    sign_in_email_proven = BooleanField(default=False)
    language = CharField(10, default="en")
    language_chosen = BooleanField(default=False)
    """Whether they chose it themselves: a sign-in does not change it then."""
    muted = TextField(default="[]")
    """JSON list of the kinds of notice that they do not want (`core.preferences`)."""
    banned_at = UtcDateTimeField(null=True, index=True)
    asked_at = UtcDateTimeField(null=True)
    """When the directory was last asked about this person and answered."""
    tested_at = UtcDateTimeField(null=True)
    """When they last sent themselves a test mail: once a minute at most."""
    created_at = UtcDateTimeField()

    def save(self, force_insert: bool = False, only: Any = None) -> Any:
        """Write the row, with what it is searched by."""
        self.name_key = self.display_name.lower()[:200]
        self.sign_in_key = self.sign_in_email.lower()[:400] if self.sign_in_email else None
        return super().save(force_insert=force_insert, only=only)


class Identity(Table):
    """(issuer, subject): for Ubuntu One the OP identifier and the claimed id."""

    person_id: int

    id = AutoField()
    issuer = CharField(255)
    subject = CharField(255)
    person = ForeignKeyField(Person, backref="identities", on_delete="CASCADE")
    added_at = UtcDateTimeField()

    class Meta:
        indexes = ((("issuer", "subject"), True),)


class Alias(Recorded, Table):
    """An address on one of our domains, with its three independent facts."""

    domain_id: int
    person_id: int | None

    id = AutoField()
    domain = ForeignKeyField(Domain, backref="aliases", on_delete="RESTRICT")
    local_part = CharField(64, index=True)
    person = ForeignKeyField(Person, null=True, backref="aliases", on_delete="RESTRICT")
    """None for a role address, a reserved one, and one whose owner was erased."""
    by_self_service = BooleanField(default=True)
    """Counts as the one name that a person gets on a domain by self-service."""
    entitlement = CharField(10, default=Entitlement.ENTITLED)
    grace_until = UtcDateTimeField(null=True)
    grace_told = IntegerField(null=True)
    """Days before that end of which the owner was last reminded."""
    switch = CharField(12, default=Switch.ON)
    switched_at = UtcDateTimeField()
    hold = CharField(10, default=Hold.NONE, index=True)
    delivery_order = CharField(5, default=Order.ALL)
    keeps_tag = BooleanField(default=False)
    """Whether `ada+list@` goes to `recipient+list@`."""
    unreachable_since = UtcDateTimeField(null=True)
    """Since when no recipient is verified; None while one is."""
    label = CharField(100, default="")
    """The owner's own word for it; nobody else sees it."""
    reserved_issuer = CharField(255, null=True)
    reserved_subject = CharField(255, null=True)
    """The identity that may take a reserved address over."""
    looks_like = CharField(64, null=True, index=True)
    """The reserved name for which it may be taken, until an admin has looked (`core.reserved`)."""
    shared = BooleanField(default=False, index=True)
    """Whether it is a role address with several owners (`core.role_addresses`)."""
    created_at = UtcDateTimeField()

    class Meta:
        indexes = (
            (("domain", "local_part"), True),
            (("reserved_issuer", "reserved_subject"), False),
            (("domain", "person"), False),
        )

    @property
    def text(self) -> str:
        """The whole address."""
        return f"{self.local_part}@{self.domain.name}"


class ErasedOwner(Table):
    """All that is left of an owner who was erased: only the same identity may claim the name again."""

    alias_id: int

    id = AutoField()
    alias = ForeignKeyField(Alias, backref="erased_owners", on_delete="CASCADE")  # type: ignore[assignment]
    owner = CharField(64, index=True)
    """HMAC of the issuer and subject of one of the owner's identities (`core.erased`)."""

    class Meta:
        indexes = ((("alias", "owner"), True),)


class AliasOwner(Table):
    """One of the several owners of a role address."""

    id = AutoField()
    alias_id: int
    person_id: int

    alias = ForeignKeyField(Alias, backref="owners", on_delete="CASCADE")  # type: ignore[assignment]
    person = ForeignKeyField(Person, on_delete="CASCADE")
    entitlement = CharField(10, default=Entitlement.ENTITLED)
    """Of this owner alone: when it ends, they are taken out."""
    grace_until = UtcDateTimeField(null=True)
    grace_told = IntegerField(null=True)
    hold = CharField(10, default=Hold.NONE)
    """While they are banned or suspended, its mail does not go to them."""

    class Meta:
        indexes = ((("alias", "person"), True),)


class Recipient(Recorded, Table):
    """An outside address that one person has verified once; an imported one has no person yet."""

    person_id: int | None

    id = AutoField()
    person = ForeignKeyField(Person, null=True, backref="recipients", on_delete="CASCADE")
    address = CharField(400)
    address_key = CharField(400, index=True)
    """The address in the form in which two spellings of it are equal."""
    verified_at = UtcDateTimeField(null=True)
    imported_at = UtcDateTimeField(null=True)
    """When it counted as verified by the old system."""
    proof_nonce = CharField(64, null=True)
    """Goes into the verification link; None when there is nothing left to prove."""
    proof_sent_at = UtcDateTimeField(null=True)
    proof_refused = CharField(10, null=True)
    """Enhanced status code with which its server refused our verification mail for good."""
    failing_since = UtcDateTimeField(null=True, index=True)
    failing_with = CharField(10, null=True)
    """Enhanced status code of the last refusal that was about the mailbox; gone at its next 250."""
    added_at = UtcDateTimeField()

    class Meta:
        indexes = ((("person", "address_key"), True),)


class AliasRecipient(Table):
    """The recipients of an alias, in order."""

    alias_id: int
    recipient_id: int

    id = AutoField()
    alias = ForeignKeyField(Alias, backref="alias_recipients", on_delete="CASCADE")  # type: ignore[assignment]
    recipient = ForeignKeyField(Recipient, backref="alias_recipients", on_delete="CASCADE")
    position = IntegerField()
    replaces = IntegerField(null=True)
    """Id of the recipient that goes from this alias as soon as this one is proven."""

    class Meta:
        indexes = ((("alias", "recipient"), True),)


class Reservation(Table):
    """An imported address that waits for its owner: who may ask for it, and the code that proves it.

    The row goes when somebody has taken the address over (`core.takeover`).
    """

    alias_id: int
    code_for_id: int | None

    id = AutoField()
    alias = ForeignKeyField(Alias, unique=True, backref="reservations", on_delete="CASCADE")  # type: ignore[assignment]
    launchpad_name = CharField(100, default="")
    """As the old list has it: says who may ask, and proves nothing."""
    listed_at = UtcDateTimeField()
    """How old the list is: an account that is younger is not the one that it means."""
    imported_at = UtcDateTimeField()
    state = CharField(12)
    """How far the name is looked up (`core.reservations.NameState`)."""
    asked_at = UtcDateTimeField(null=True)
    """When the directory was last asked for the name."""
    code_for = ForeignKeyField(Person, null=True, on_delete="SET NULL")
    """Who asked for the code that was sent last."""
    code_sent_at = UtcDateTimeField(null=True)
    code_tries = IntegerField(default=0)

    class Meta:
        indexes = ((("state", "id"), False),)


class ImportRun(Recorded, Table):
    """A list of old addresses that an admin brought to a page; the record says who."""

    id = AutoField()
    made_at = UtcDateTimeField(index=True)
    listed_at = UtcDateTimeField()
    content = BlobField(null=True)
    """The file as it came; gone when the import is done."""
    state = CharField(10)
    """`core.import_runs.State`."""
    problem = CharField(300, default="")
    """Why the file cannot be read."""
    lines = IntegerField(default=0)
    done = IntegerField(default=0)
    """How many of the lines are checked, or imported."""


class ImportLine(Table):
    """What becomes of one line of such a list; never a recipient."""

    run_id: int

    id = AutoField()
    run = ForeignKeyField(ImportRun, backref="report", on_delete="CASCADE")
    number = IntegerField()
    address = CharField(100)
    fate = CharField(20)
    detail = CharField(300, default="")

    class Meta:
        indexes = ((("run", "number"), True), (("run", "fate", "number"), False))


class DeliveryCount(Table):
    """How often what happened with a recipient on a day; all that is kept of mail."""

    recipient_id: int

    id = AutoField()
    recipient = ForeignKeyField(Recipient, on_delete="CASCADE")
    day = CharField(10)
    """In UTC, as 2026-11-25."""
    event = CharField(20)
    enhanced = CharField(10)
    """Enhanced status code (RFC 3463); empty for a delivery."""
    count = IntegerField()

    class Meta:
        indexes = ((("recipient", "day", "event", "enhanced"), True),)


class Membership(Table):
    """What a directory said of one person and one team."""

    person_id: int

    id = AutoField()
    person = ForeignKeyField(Person, backref="memberships", on_delete="CASCADE")
    team = CharField(100)
    holds = BooleanField()
    """The present answer."""
    since = UtcDateTimeField()
    read_at = UtcDateTimeField()
    """When it was last asked and clearly answered."""
    first_no_at = UtcDateTimeField(null=True)
    """Time of a *no* that has not been said twice yet: nothing follows from it but that nobody claims."""

    class Meta:
        indexes = ((("person", "team"), True), (("team", "holds"), False))


class AccountFact(Table):
    """What a directory said of a person's account: `valid`, `coc_signed`, `not_suspended`."""

    person_id: int

    id = AutoField()
    person = ForeignKeyField(Person, backref="account_facts", on_delete="CASCADE")
    fact = CharField(20)
    holds = BooleanField()
    since = UtcDateTimeField()
    read_at = UtcDateTimeField()
    first_no_at = UtcDateTimeField(null=True)
    held_at = UtcDateTimeField(index=True, null=True)
    """When a second *no* came while too many turned at once: an admin decides."""
    turned_at = UtcDateTimeField(null=True)
    """When it turned from *yes* to *no*; None while it holds and when it never did."""

    class Meta:
        indexes = ((("person", "fact"), True),)


class Waiver(Recorded, Table):
    """What a person asks for beyond the rules, and what an admin said (`core.waivers`)."""

    person_id: int
    domain_id: int

    id = AutoField()
    person = ForeignKeyField(Person, backref="waivers", on_delete="CASCADE")
    kind = CharField(20)
    domain = ForeignKeyField(Domain, on_delete="CASCADE")
    local_part = CharField(64, null=True)
    """The name that is asked for; None for the other kinds."""
    reason = TextField()
    state = CharField(10, default="asked")
    ends_at = UtcDateTimeField(null=True, index=True)
    """Until when: as asked for, and once it is granted as granted. None for as long as nobody ends it."""
    asked_at = UtcDateTimeField()
    decided_at = UtcDateTimeField(null=True)
    answer = TextField(default="")

    class Meta:
        indexes = ((("state", "asked_at"), False), (("person", "state"), False))


class Notice(Table):
    """The outbox: one row is one mail, written in the transaction of the change."""

    recipient_id: int | None

    id = AutoField()
    kind = CharField(40)
    person = ForeignKeyField(Person, null=True, on_delete="CASCADE")
    """Whom it concerns."""
    recipient = ForeignKeyField(Recipient, null=True, on_delete="CASCADE")
    """Where it goes; None for the person's sign-in address or the ops address."""
    to_sign_in = BooleanField(default=False)
    address = CharField(400, null=True)
    """Only in the last mail to somebody who was erased: the row goes as soon as that is sent."""
    subject_ids = TextField(default="{}")
    """JSON object of the rows it speaks of; never an address or a token."""
    unique_key = CharField(200, unique=True)
    made_at = UtcDateTimeField()
    due_at = UtcDateTimeField()
    lease_until = UtcDateTimeField(null=True)
    """While a job is sending it, no other one does."""
    sent_at = UtcDateTimeField(null=True)
    failed_with = CharField(10, null=True, index=True)
    """Enhanced status code when it was refused for good or never got through."""

    class Meta:
        indexes = ((("sent_at", "due_at"), False), (("kind", "id"), False))


class Problem(Table):
    """Something that went wrong, until the ops digest has told it."""

    person_id: int | None

    id = AutoField()
    quarter = IntegerField()
    """The quarter of an hour in which it happened, counted from 1970: one digest each."""
    tried = CharField(40)
    """What was tried, such as `sync-person`."""
    about = CharField(200)
    """The team, the job or the like that it was tried with; never an address."""
    person = ForeignKeyField(Person, null=True, on_delete="CASCADE")
    why = CharField(200)
    at = UtcDateTimeField()

    class Meta:
        indexes = ((("quarter", "tried", "about"), True),)


class Session(Table):
    """A signed-in browser."""

    person_id: int

    id = AutoField()
    token_hash = CharField(64, unique=True)
    person = ForeignKeyField(Person, backref="sessions", on_delete="CASCADE")
    created_at = UtcDateTimeField()
    seen_at = UtcDateTimeField()
    """To the hour, so that reading a page writes nothing most of the time."""
    authenticated_at = UtcDateTimeField(null=True)
    """When its owner last proved who they are: by the provider's word, or by a code (`core.fresh`)."""
    asked_anew = BooleanField(default=False)
    """Whether the provider was asked for a fresh sign-in: without one a code may stand in."""
    code_sent_at = UtcDateTimeField(null=True)
    code_tries = IntegerField(default=0)


class RoleGrant(Recorded, Table):
    """A role given to an identity, never to a name."""

    domain_id: int | None

    id = AutoField()
    issuer = CharField(255)
    subject = CharField(255)
    role = CharField(20)
    domain = ForeignKeyField(Domain, null=True, on_delete="CASCADE")
    """The one domain of a domain admin; None for the project's roles."""
    granted_at = UtcDateTimeField()

    class Meta:
        indexes = ((("issuer", "subject", "role", "domain"), True),)


class RoleTeam(Recorded, Table):
    """A team of the directory whose members have a role (`core.roles`)."""

    domain_id: int | None

    id = AutoField()
    team = CharField(100, index=True)
    role = CharField(20)
    domain = ForeignKeyField(Domain, null=True, on_delete="CASCADE")
    """The one domain of a domain admin; None for the project's roles."""
    granted_at = UtcDateTimeField()

    class Meta:
        indexes = ((("team", "role", "domain"), True),)


class ReservedName(Recorded, Table):
    """A local part that admins keep back, on one domain or on all."""

    domain_id: int | None

    id = AutoField()
    domain = ForeignKeyField(Domain, null=True, on_delete="CASCADE")
    local_part = CharField(64)

    class Meta:
        indexes = ((("domain", "local_part"), True),)


class AuditEntry(Table):
    """One change: a link of the chain (`core.audit`)."""

    id = BigAutoField()
    at = UtcDateTimeField()
    actor = CharField(60)
    """`person:7`, `operator` or `job:NAME`."""
    verb = CharField(40)
    subject_ids = TextField()
    commitment = CharField(64)
    """HMAC(salt, values) of what lies in the side table."""
    mac = CharField(64)

    class Meta:
        indexes = ((("verb", "id"), False), (("actor", "id"), False))


class AuditHead(Table):
    """The last entry of the chain, in one row: an end that was cut off does not match it."""

    entry_id = BigIntegerField()
    seal = CharField(64)
    """HMAC over the entry's id and its own seal."""


class AuditSubject(Table):
    """Which rows an entry speaks of, to find the history of one; the entry itself says the same."""

    entry_id: int

    id = BigAutoField()
    entry = ForeignKeyField(AuditEntry, on_delete="CASCADE")
    name = CharField(20)
    row_id = IntegerField()

    class Meta:
        indexes = ((("name", "row_id"), False),)


class AuditValue(Table):
    """The personal values of an entry: can be erased without breaking the chain."""

    entry_id: int

    entry = ForeignKeyField(AuditEntry, primary_key=True, on_delete="CASCADE")
    salt = BlobField()
    values = TextField()


class BulkRun(Recorded, Table):
    """One action on many people (`core.bulk`); deleted a month after its end."""

    by_id: int
    follows_id: int | None

    id = AutoField()
    by = ForeignKeyField(Person, on_delete="CASCADE")
    """The admin who began it."""
    action = CharField(20)
    follows = ForeignKeyField("self", null=True, unique=True, on_delete="CASCADE")
    """The dry run that came before; None for a dry run itself."""
    begun_at = UtcDateTimeField()
    finished_at = UtcDateTimeField(null=True, index=True)


class BulkLine(Table):
    """One person of such a run."""

    person_id: int

    id = AutoField()
    run = ForeignKeyField(BulkRun, on_delete="CASCADE")
    person = ForeignKeyField(Person, on_delete="CASCADE")
    outcome = CharField(20, null=True)
    """What became of them, or would; None until their turn has come."""

    class Meta:
        indexes = ((("run", "outcome"), False),)


class AdminLink(Recorded, Table):
    """The link that makes the first admin (`core.first_admin`); gone as soon as it is used."""

    id = AutoField()
    token_hash = CharField(64)
    expires_at = UtcDateTimeField()


class UsedNonce(Table):
    """A response nonce of OpenID, so that no answer counts twice."""

    id = AutoField()
    nonce = CharField(255, unique=True)
    seen_at = UtcDateTimeField(index=True)


class StashedAnswer(Table):
    """The fields of an OpenID answer that came as a cross-site POST; used once."""

    id = AutoField()
    id_hash = CharField(64, unique=True)
    fields = TextField()
    expires_at = UtcDateTimeField(index=True)


class DkimKey(Table):
    """A key that signs and seals mail of a domain (`core.signing_keys`).

    It waits until DNS was seen to show it, is in use then, and retires when the next one is published.
    """

    id = AutoField()
    domain = CharField(253)
    """A name in lower case and A-labels: a mail domain, or one that the settings name."""
    selector = CharField(63)
    algorithm = CharField(10)
    """`rsa` or `ed25519`, as the record's `k=` says (RFC 6376 §3.6.1, RFC 8463 §4.2)."""
    record = TextField()
    """The TXT record of its public half."""
    sealed = BlobField(null=True)
    """The private half, encrypted; None after it was erased."""
    created_at = UtcDateTimeField()
    published_at = UtcDateTimeField(null=True)
    """When DNS was first seen to show the record."""
    retired_at = UtcDateTimeField(null=True)
    missing_since = UtcDateTimeField(null=True)
    """Since when DNS clearly does not show a key that is in use."""

    class Meta:
        indexes = ((("domain", "selector"), True),)

    @property
    def record_name(self) -> str:
        """Where DNS publishes the record (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


TABLES: tuple[type[Table], ...] = (
    Domain, DomainTeam, TeamReading, TeamSync, Person, Identity, Alias, ErasedOwner, AliasOwner, Recipient,
    AliasRecipient, Reservation, ImportRun, ImportLine, DeliveryCount, Membership, AccountFact, Waiver,
    Notice, Problem, Session, RoleGrant, RoleTeam, ReservedName, AuditEntry, AuditSubject, AuditValue,
    AuditHead, UsedNonce, StashedAnswer, DkimKey, BulkRun, BulkLine, AdminLink,
)  # fmt: skip


MOST_ID = 2**31
"""Ids are smaller than this, on both databases."""


def by_id(table: type[Any], row_id: int) -> Any:
    """Return the row with this id, or None; also for a number that no row can have."""
    if not 0 < row_id < MOST_ID:
        return None
    return table.get_or_none(table.id == row_id)
