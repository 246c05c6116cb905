"""Imported addresses that wait for their owners, and the lists that admins bring.

A frozen copy, on purpose apart from `core.models`.
"""

from peewee import *


def up(migrator, db):
    class Person(Model):
        class Meta:
            database = db
            table_name = "person"

    class Alias(Model):
        class Meta:
            database = db
            table_name = "alias"

    class Reservation(Model):
        alias = ForeignKeyField(Alias, unique=True, on_delete="CASCADE")
        launchpad_name = CharField(max_length=100)
        listed_at = BigIntegerField()
        imported_at = BigIntegerField()
        state = CharField(max_length=12)
        asked_at = BigIntegerField(null=True)
        code_for = ForeignKeyField(Person, null=True, on_delete="SET NULL")
        code_sent_at = BigIntegerField(null=True)
        code_tries = IntegerField()

        class Meta:
            database = db
            table_name = "reservation"
            indexes = ((("state", "id"), False),)

    class ImportRun(Model):
        made_at = BigIntegerField(index=True)
        listed_at = BigIntegerField()
        content = BlobField(null=True)
        state = CharField(max_length=10)
        problem = CharField(max_length=300)
        lines = IntegerField()
        done = IntegerField()

        class Meta:
            database = db
            table_name = "import_run"

    class ImportLine(Model):
        run = ForeignKeyField(ImportRun, on_delete="CASCADE")
        number = IntegerField()
        address = CharField(max_length=100)
        fate = CharField(max_length=20)
        detail = CharField(max_length=300)

        class Meta:
            database = db
            table_name = "import_line"
            indexes = ((("run", "number"), True), (("run", "fate", "number"), False))

    db.create_tables([Reservation, ImportRun, ImportLine])
    migrator.migrate(migrator.add_index("alias", ("reserved_issuer", "reserved_subject")))
