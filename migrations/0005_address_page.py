"""What the address page needs: a label, replacements, the last test mail, the subjects of audit entries."""

import json

from peewee import *


def up(migrator, db):
    class AuditEntry(Model):
        id = BigAutoField()
        subject_ids = TextField()

        class Meta:
            database = db
            table_name = "audit_entry"

    class AuditSubject(Model):
        id = BigAutoField()
        entry = ForeignKeyField(AuditEntry, on_delete="CASCADE")
        name = CharField(max_length=20)
        row_id = IntegerField()

        class Meta:
            database = db
            table_name = "audit_subject"
            indexes = ((("name", "row_id"), False),)

    db.create_tables([AuditSubject])
    for entry in list(AuditEntry.select()):
        for name, row_id in json.loads(entry.subject_ids).items():
            AuditSubject.create(entry=entry, name=name, row_id=row_id)

    migrator.migrate(
        migrator.add_column("person", "tested_at", BigIntegerField(null=True)),
        migrator.add_column("alias", "label", CharField(max_length=100, default="")),
        migrator.add_column("alias_recipient", "replaces", IntegerField(null=True)),
    )
