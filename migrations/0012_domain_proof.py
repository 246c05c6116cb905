"""Domains: whether their record is still there, who may see their DNS page, a DMARC policy of their own.

A frozen copy, on purpose apart from `core.models`.
"""

from peewee import *


def up(migrator, db):
    migrator.migrate(
        migrator.add_column("domain", "proof_looked_at", BigIntegerField(null=True)),
        migrator.add_column("domain", "proof_said", CharField(max_length=10, null=True)),
        migrator.add_column("domain", "proof_missing_since", BigIntegerField(null=True)),
        migrator.add_column("domain", "closed_at", BigIntegerField(null=True)),
        migrator.add_column("domain", "waits_for_admin", BooleanField(default=False)),
        migrator.add_column("domain", "dmarc_policy", CharField(max_length=10, null=True)),
        migrator.add_column("domain", "dns_link_nonce", CharField(max_length=64, null=True)),
    )
