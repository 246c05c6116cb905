"""`waypost dns DOMAIN`."""

import click

from core.database import connection, utc_now
from core.dns_records import zone_lines
from core.settings import Settings
from core.signing_keys import KeyRefused


@click.command("dns")
@click.argument("domain")
@click.pass_obj
def dns_command(settings: Settings, domain: str) -> None:
    """Print the records to publish for DOMAIN as a zone file, a comment before each saying why."""
    with connection():
        try:
            lines = zone_lines(domain, settings, utc_now())
        except KeyRefused as error:
            raise click.ClickException(str(error)) from None
    click.echo("\n".join(lines))
