"""What the admins count is counted by an index: held changes of accounts, and how far a bulk action is."""


def up(migrator, db):
    migrator.migrate(
        migrator.add_index("account_fact", ("held_at",)),
        migrator.add_index("bulk_line", ("run_id", "outcome")),
    )
