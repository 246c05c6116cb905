"""People, as admins look them up: flags and indexes for it."""

from peewee import *


def up(migrator, db):
    migrator.migrate(
        migrator.add_column("alias", "looks_like", CharField(max_length=64, null=True)),
        migrator.add_index("alias", ("looks_like",)),
    )
