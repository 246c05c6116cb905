"""`waypost audit verify|head|export`."""

from pathlib import Path

import click

from core.audit import Head, first_fault, head
from core.database import connection
from core.record_reading import all_entries


@click.group()
def audit() -> None:
    """The record of every change."""


@audit.command("verify")
@click.option(
    "--head", "kept", help="An end of the record that was noted earlier, as the daily mail says it."
)
def verify(kept: str | None) -> None:
    """Check that no entry was changed, taken out, moved or cut off; exits 1 when one was."""
    try:
        noted = Head.parse(kept) if kept is not None else None
    except ValueError as error:
        raise click.ClickException(f"{error}.") from None
    with connection():
        fault = first_fault(noted)
        end = head()
    if fault is not None:
        raise click.ClickException(fault)
    click.echo(f"The record is whole. It ends with {end}." if end else "The record is empty.")


@audit.command("head")
def show_head() -> None:
    """Print where the record ends now, for keeping elsewhere."""
    with connection():
        end = head()
    click.echo(str(end) if end else "The record is empty.")


@audit.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=Path("-"))
@click.option("--personal", is_flag=True, help="With what was personal: names, addresses, before and after.")
def export(file: Path, personal: bool) -> None:
    """Write all entries to FILE, else to the standard output: a line of JSON each, the oldest first."""
    try:
        with connection(), click.open_file(str(file), "w", encoding="utf-8") as out:
            for line in all_entries(personal=personal):
                out.write(line)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from None
