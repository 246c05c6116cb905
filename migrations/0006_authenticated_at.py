"""When the owner of a session last gave the password: what dangerous changes ask for."""

from peewee import *


def up(migrator, db):
    migrator.migrate(
        migrator.add_column("session", "authenticated_at", BigIntegerField(null=True)),
    )
