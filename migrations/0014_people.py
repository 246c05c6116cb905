"""People, as admins look them up: flags, and what they are searched by.

Search is by how a text begins; for that PostgreSQL needs indexes by octets, whatever its collation.
"""

from peewee import *

BEGINNINGS = (
    ("person", "launchpad_name"),
    ("person", "name_key"),
    ("person", "sign_in_key"),
    ("alias", "local_part"),
    ("recipient", "address_key"),
)


def up(migrator, db):
    class Person(Model):
        id = AutoField()
        display_name = CharField(max_length=200)
        name_key = CharField(max_length=200)
        sign_in_email = CharField(max_length=400, null=True)
        sign_in_key = CharField(max_length=400, null=True)

        class Meta:
            database = db
            table_name = "person"

    migrator.migrate(
        migrator.add_column("alias", "looks_like", CharField(max_length=64, null=True)),
        migrator.add_column("alias", "shared", BooleanField(default=False)),
        migrator.add_column("alias_owner", "entitlement", CharField(max_length=10, default="entitled")),
        migrator.add_column("alias_owner", "grace_until", BigIntegerField(null=True)),
        migrator.add_column("alias_owner", "grace_told", IntegerField(null=True)),
        migrator.add_column("alias_owner", "hold", CharField(max_length=10, default="none")),
        migrator.add_column("person", "name_key", CharField(max_length=200, default="")),
        migrator.add_column("person", "sign_in_key", CharField(max_length=400, null=True)),
    )
    for person in list(Person.select()):
        person.name_key = person.display_name.lower()[:200]
        person.sign_in_key = person.sign_in_email.lower()[:400] if person.sign_in_email else None
        person.save()
    migrator.migrate(
        migrator.add_index("alias", ("looks_like",)),
        migrator.add_index("alias", ("hold",)),
        migrator.add_index("alias", ("domain_id", "person_id")),
        migrator.add_index("alias", ("shared",)),
        migrator.add_index("person", ("banned_at",)),
        migrator.add_index("waiver", ("ends_at",)),
    )

    class BulkRun(Model):
        by = ForeignKeyField(Person, on_delete="CASCADE")
        action = CharField(max_length=20)
        follows = ForeignKeyField("self", null=True, unique=True, on_delete="CASCADE")
        begun_at = BigIntegerField()
        finished_at = BigIntegerField(index=True, null=True)

        class Meta:
            database = db
            table_name = "bulk_run"

    class BulkLine(Model):
        run = ForeignKeyField(BulkRun, on_delete="CASCADE")
        person = ForeignKeyField(Person, on_delete="CASCADE")
        outcome = CharField(max_length=20, null=True)

        class Meta:
            database = db
            table_name = "bulk_line"

    class AdminLink(Model):
        token_hash = CharField(max_length=64)
        expires_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "admin_link"

    db.create_tables([BulkRun, BulkLine, AdminLink])
    if isinstance(db, SqliteDatabase):
        own = [pair for pair in BEGINNINGS if pair not in WITH_INDEX]
        migrator.migrate(*[migrator.add_index(table, (column,)) for table, column in own])
        return
    for table, column in BEGINNINGS:
        db.execute_sql(f'DROP INDEX IF EXISTS "{table}_{column}"')
        db.execute_sql(f'CREATE INDEX "{table}_{column}" ON "{table}" ("{column}" varchar_pattern_ops)')


WITH_INDEX = (("person", "launchpad_name"), ("recipient", "address_key"))
"""Those that had an index before."""
