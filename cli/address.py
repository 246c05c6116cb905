"""`waypost route ADDRESS`."""

import click

from core.addresses import AddressError, parse_address
from core.alias_table import AliasTableUnavailable, open_alias_table
from core.database import utc_now
from core.routing import Fate, route
from core.settings import Settings


@click.command("route")
@click.argument("address")
@click.pass_obj
def route_command(settings: Settings, address: str) -> None:
    """Say what would happen now to mail for ADDRESS; exits 1 when it would not be delivered."""
    try:
        parsed = parse_address(address)
        found = route(open_alias_table(settings.database_url), parsed, settings.ops_address, utc_now())
    except AddressError as error:
        raise click.ClickException(str(error)) from None
    except AliasTableUnavailable as error:
        raise click.ClickException(f"The database does not answer ({error}): mail would get 451.") from None
    if found.fate is not Fate.DELIVER:
        click.echo(f"{parsed.text}: refused with {found.reply}")
        raise SystemExit(1)
    click.echo(f"{parsed.text}: goes to {', '.join(found.recipients)} (as {found.alias})")
