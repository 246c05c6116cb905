"""The first tables.

A frozen copy, on purpose apart from `core.models`: later changes come as migrations of their own.
"""

from peewee import *


def up(migrator, db):
    class Person(Model):
        launchpad_name = CharField(index=True, null=True, max_length=100)
        account_created = CharField(null=True, max_length=40)
        display_name = CharField(max_length=200, default="")
        sign_in_email = CharField(null=True, max_length=400)
        sign_in_email_proven = BooleanField(default=False)
        language = CharField(max_length=10, default="en")
        banned_at = BigIntegerField(null=True)
        asked_at = BigIntegerField(null=True)
        created_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "person"

    db.create_tables([Person])

    class AccountFact(Model):
        person = ForeignKeyField(Person, on_delete="CASCADE")
        fact = CharField(max_length=20)
        holds = BooleanField()
        since = BigIntegerField()
        read_at = BigIntegerField()
        first_no_at = BigIntegerField(null=True)

        class Meta:
            database = db
            table_name = "account_fact"
            indexes = ((("person", "fact"), True),)

    db.create_tables([AccountFact])

    class Domain(Model):
        name = CharField(unique=True, max_length=253)
        verification_token = CharField(max_length=64)
        verified_at = BigIntegerField(null=True)
        removed_at = BigIntegerField(null=True)
        coc_required = BooleanField(default=True)
        grace_days = IntegerField(default=90)
        added_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "domain"

    db.create_tables([Domain])

    class Alias(Model):
        domain = ForeignKeyField(Domain, on_delete="RESTRICT")
        local_part = CharField(max_length=64)
        person = ForeignKeyField(Person, null=True, on_delete="RESTRICT")
        by_self_service = BooleanField(default=True)
        entitlement = CharField(max_length=10, default="entitled")
        grace_until = BigIntegerField(null=True)
        switch = CharField(max_length=12, default="on")
        switched_at = BigIntegerField()
        hold = CharField(max_length=10, default="none")
        delivery_order = CharField(max_length=5, default="all")
        keeps_tag = BooleanField(default=False)
        unreachable_since = BigIntegerField(null=True)
        reserved_issuer = CharField(null=True)
        reserved_subject = CharField(null=True)
        erased_owner = CharField(null=True, max_length=64)
        created_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "alias"
            indexes = ((("domain", "local_part"), True),)

    db.create_tables([Alias])

    class AliasOwner(Model):
        alias = ForeignKeyField(Alias, on_delete="CASCADE")
        person = ForeignKeyField(Person, on_delete="CASCADE")

        class Meta:
            database = db
            table_name = "alias_owner"
            indexes = ((("alias", "person"), True),)

    db.create_tables([AliasOwner])

    class Recipient(Model):
        person = ForeignKeyField(Person, null=True, on_delete="CASCADE")
        address = CharField(max_length=400)
        address_key = CharField(index=True, max_length=400)
        verified_at = BigIntegerField(null=True)
        imported_at = BigIntegerField(null=True)
        proof_nonce = CharField(null=True, max_length=64)
        proof_sent_at = BigIntegerField(null=True)
        proof_refused = CharField(null=True, max_length=10)
        failing_since = BigIntegerField(null=True)
        failing_with = CharField(null=True, max_length=10)
        added_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "recipient"
            indexes = ((("person", "address_key"), True),)

    db.create_tables([Recipient])

    class AliasRecipient(Model):
        alias = ForeignKeyField(Alias, on_delete="CASCADE")
        recipient = ForeignKeyField(Recipient, on_delete="CASCADE")
        position = IntegerField()

        class Meta:
            database = db
            table_name = "alias_recipient"
            indexes = ((("alias", "recipient"), True),)

    db.create_tables([AliasRecipient])

    class AuditEntry(Model):
        id = BigAutoField()
        at = BigIntegerField()
        actor = CharField(max_length=60)
        verb = CharField(max_length=40)
        subject_ids = TextField()
        commitment = CharField(max_length=64)
        mac = CharField(max_length=64)

        class Meta:
            database = db
            table_name = "audit_entry"

    db.create_tables([AuditEntry])

    class AuditValue(Model):
        entry = ForeignKeyField(AuditEntry, primary_key=True, on_delete="CASCADE")
        salt = BlobField()
        values = TextField()

        class Meta:
            database = db
            table_name = "audit_value"

    db.create_tables([AuditValue])

    class DeliveryCount(Model):
        recipient = ForeignKeyField(Recipient, on_delete="CASCADE")
        day = CharField(max_length=10)
        event = CharField(max_length=20)
        enhanced = CharField(max_length=10)
        count = IntegerField()

        class Meta:
            database = db
            table_name = "delivery_count"
            indexes = ((("recipient", "day", "event", "enhanced"), True),)

    db.create_tables([DeliveryCount])

    class DomainTeam(Model):
        domain = ForeignKeyField(Domain, on_delete="CASCADE")
        team = CharField(index=True, max_length=100)

        class Meta:
            database = db
            table_name = "domain_team"
            indexes = ((("domain", "team"), True),)

    db.create_tables([DomainTeam])

    class Identity(Model):
        issuer = CharField()
        subject = CharField()
        person = ForeignKeyField(Person, on_delete="CASCADE")
        added_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "identity"
            indexes = ((("issuer", "subject"), True),)

    db.create_tables([Identity])

    class Membership(Model):
        person = ForeignKeyField(Person, on_delete="CASCADE")
        team = CharField(max_length=100)
        holds = BooleanField()
        since = BigIntegerField()
        read_at = BigIntegerField()
        first_no_at = BigIntegerField(null=True)

        class Meta:
            database = db
            table_name = "membership"
            indexes = ((("person", "team"), True), (("team", "holds"), False))

    db.create_tables([Membership])

    class Notice(Model):
        kind = CharField(max_length=40)
        person = ForeignKeyField(Person, null=True, on_delete="CASCADE")
        recipient = ForeignKeyField(Recipient, null=True, on_delete="CASCADE")
        to_sign_in = BooleanField(default=False)
        subject_ids = TextField(default="{}")
        unique_key = CharField(unique=True, max_length=200)
        made_at = BigIntegerField()
        due_at = BigIntegerField()
        lease_until = BigIntegerField(null=True)
        sent_at = BigIntegerField(null=True)
        failed_with = CharField(null=True, max_length=10)

        class Meta:
            database = db
            table_name = "notice"
            indexes = ((("sent_at", "due_at"), False),)

    db.create_tables([Notice])

    class ReservedName(Model):
        domain = ForeignKeyField(Domain, null=True, on_delete="CASCADE")
        local_part = CharField(max_length=64)

        class Meta:
            database = db
            table_name = "reserved_name"
            indexes = ((("domain", "local_part"), True),)

    db.create_tables([ReservedName])

    class RoleGrant(Model):
        issuer = CharField()
        subject = CharField()
        role = CharField(max_length=20)
        domain = ForeignKeyField(Domain, null=True, on_delete="CASCADE")
        granted_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "role_grant"
            indexes = ((("issuer", "subject", "role", "domain"), True),)

    db.create_tables([RoleGrant])

    class Session(Model):
        token_hash = CharField(unique=True, max_length=64)
        person = ForeignKeyField(Person, on_delete="CASCADE")
        created_at = BigIntegerField()
        seen_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "session"

    db.create_tables([Session])

    class StashedAnswer(Model):
        id_hash = CharField(unique=True, max_length=64)
        fields = TextField()
        expires_at = BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "stashed_answer"

    db.create_tables([StashedAnswer])

    class TeamReading(Model):
        team = CharField(index=True, max_length=100)
        read_at = BigIntegerField()
        count = IntegerField()
        names = TextField()
        held_because = CharField(null=True, max_length=100)

        class Meta:
            database = db
            table_name = "team_reading"

    db.create_tables([TeamReading])

    class UsedNonce(Model):
        nonce = CharField(unique=True)
        seen_at = BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = "used_nonce"

    db.create_tables([UsedNonce])

    class Waiver(Model):
        person = ForeignKeyField(Person, on_delete="CASCADE")
        kind = CharField(max_length=20)
        domain = ForeignKeyField(Domain, on_delete="CASCADE")
        local_part = CharField(null=True, max_length=64)
        reason = TextField()
        state = CharField(max_length=10, default="asked")
        ends_at = BigIntegerField(null=True)
        asked_at = BigIntegerField()
        decided_at = BigIntegerField(null=True)
        answer = TextField(default="")

        class Meta:
            database = db
            table_name = "waiver"

    db.create_tables([Waiver])
