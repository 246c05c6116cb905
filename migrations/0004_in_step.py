"""In step with the directory: one reading a team at a time, grace, held changes, the ops digest.

A frozen copy, on purpose apart from `core.models`.
"""

from peewee import *


def up(migrator, db):
    class Person(Model):
        class Meta:
            database = db
            table_name = "person"

    class Problem(Model):
        quarter = IntegerField()
        tried = CharField(max_length=40)
        about = CharField(max_length=200)
        person = ForeignKeyField(Person, null=True, on_delete="CASCADE")
        why = CharField(max_length=200)
        at = BigIntegerField()

        class Meta:
            database = db
            table_name = "problem"
            indexes = ((("quarter", "tried", "about"), True),)

    db.create_tables([Problem])

    class TeamSync(Model):
        team = CharField(unique=True, max_length=100)
        fence = IntegerField(default=0)
        running = BooleanField(default=False)
        began_at = BigIntegerField()
        beat_at = BigIntegerField()
        people_read = IntegerField(default=0)
        people_total = IntegerField(null=True)
        finished_at = BigIntegerField(null=True)
        problem = CharField(null=True, max_length=200)
        problem_since = BigIntegerField(null=True)

        class Meta:
            database = db
            table_name = "team_sync"

    db.create_tables([TeamSync])

    migrator.migrate(
        migrator.add_column("account_fact", "held_at", BigIntegerField(null=True)),
        migrator.add_column("account_fact", "turned_at", BigIntegerField(null=True)),
        migrator.add_column("domain", "automatic", BooleanField(default=False)),
        migrator.add_column("alias", "grace_told", IntegerField(null=True)),
    )
