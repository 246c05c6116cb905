"""`waypost migrate`."""

import click

from core.audit import seal_head
from core.database import MARKS_THE_END, connection, migrate, write


@click.command("migrate")
def migrate_command() -> None:
    """Bring the database's tables up to date."""
    names = migrate()
    if any(name.startswith(MARKS_THE_END) for name in names):
        with connection(), write():
            seal_head()
    click.echo("\n".join(f"Applied {name}." for name in names) or "The database is up to date.")
