"""The keys that sign and seal mail."""

from peewee import *


def up(migrator, db):
    class DkimKey(Model):
        domain = CharField(max_length=253)
        selector = CharField(max_length=63)
        algorithm = CharField(max_length=10)
        record = TextField()
        sealed = BlobField(null=True)
        created_at = BigIntegerField()
        published_at = BigIntegerField(null=True)
        retired_at = BigIntegerField(null=True)
        missing_since = BigIntegerField(null=True)

        class Meta:
            database = db
            table_name = "dkim_key"
            indexes = ((("domain", "selector"), True),)

    db.create_tables([DkimKey])
