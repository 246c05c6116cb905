"""The held changes of accounts, which the overview of the admins counts, are found by an index."""


def up(migrator, db):
    migrator.migrate(migrator.add_index("account_fact", ("held_at",)))
