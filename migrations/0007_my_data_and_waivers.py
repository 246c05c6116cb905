"""My data and waivers: erased owners by all their identities, fresh sign-ins, what a person prefers.

A frozen copy, on purpose apart from `core.models`.
"""

from peewee import *


def up(migrator, db):
    class Alias(Model):
        class Meta:
            database = db
            table_name = "alias"

    class ErasedOwner(Model):
        alias = ForeignKeyField(Alias, on_delete="CASCADE")
        owner = CharField(index=True, max_length=64)

        class Meta:
            database = db
            table_name = "erased_owner"
            indexes = ((("alias", "owner"), True),)

    db.create_tables([ErasedOwner])
    db.execute_sql(
        "INSERT INTO erased_owner (alias_id, owner)"
        " SELECT id, erased_owner FROM alias WHERE erased_owner IS NOT NULL"
    )
    migrator.migrate(
        migrator.drop_column("alias", "erased_owner"),
        migrator.add_column("person", "language_chosen", BooleanField(default=False)),
        migrator.add_column("person", "muted", TextField(default="[]")),
        migrator.add_column("notice", "address", CharField(null=True, max_length=400)),
        migrator.add_column("session", "asked_anew", BooleanField(default=False)),
        migrator.add_column("session", "code_sent_at", BigIntegerField(null=True)),
        migrator.add_column("session", "code_tries", IntegerField(default=0)),
        migrator.add_index("waiver", ("state", "asked_at")),
    )
