"""The granted waivers of several people are found by the people, not among all that were granted."""


def up(migrator, db):
    migrator.migrate(migrator.add_index("waiver", ("person_id", "state")))
