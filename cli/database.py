"""`waypost migrate`."""

import click

from core.database import migrate


@click.command("migrate")
def migrate_command() -> None:
    """Bring the database's tables up to date."""
    names = migrate()
    click.echo("\n".join(f"Applied {name}." for name in names) or "The database is up to date.")
