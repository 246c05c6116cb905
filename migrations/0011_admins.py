"""The admins' side: roles by team, the mark of the record's end, and what its pages look things up by.

A frozen copy, on purpose apart from `core.models`.
"""

from peewee import *


def up(migrator, db):
    class Domain(Model):
        class Meta:
            database = db
            table_name = "domain"

    class RoleTeam(Model):
        team = CharField(index=True, max_length=100)
        role = CharField(max_length=20)
        domain = ForeignKeyField(Domain, null=True, on_delete="CASCADE")
        granted_at = BigIntegerField()

        class Meta:
            database = db
            table_name = "role_team"
            indexes = ((("team", "role", "domain"), True),)

    class AuditHead(Model):
        entry_id = BigIntegerField()
        seal = CharField(max_length=64)

        class Meta:
            database = db
            table_name = "audit_head"

    db.create_tables([RoleTeam, AuditHead])
    migrator.migrate(
        migrator.add_index("recipient", ("failing_since",)),
        migrator.add_index("notice", ("failed_with",)),
        migrator.add_index("notice", ("kind", "id")),
        migrator.add_index("audit_entry", ("verb", "id")),
        migrator.add_index("audit_entry", ("actor", "id")),
    )
