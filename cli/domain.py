"""`waypost domain add|verify|list`."""

import click

from core.addresses import AddressError
from core.audit import OPERATOR
from core.database import connection, utc_now
from core.domains import (
    DomainExists,
    TxtOutcome,
    add_domain,
    look_for_record,
    mark_verified,
    resolver_of,
    verification_record,
)
from core.models import Domain
from core.presets import load_preset
from core.settings import Settings
from core.standing import teams_of


@click.group()
def domain() -> None:
    """Domains on which addresses are given out."""


@domain.command("add")
@click.argument("names", nargs=-1)
@click.option("--team", "teams", multiple=True, help="A team whose members may have an address.")
@click.option("--preset", help="Add the domains of a known project, such as `ubuntu`.")
@click.option("--coc/--no-coc", default=True, help="Whether the Code of Conduct must be signed.")
@click.option(
    "--automatic/--claim", default=False, help="Whether members get their address without claiming it."
)
def add(
    names: tuple[str, ...], teams: tuple[str, ...], preset: str | None, coc: bool, automatic: bool
) -> None:
    """Add domains and show the TXT record that proves each."""
    wanted = [(name, teams) for name in names]
    if preset:
        try:
            wanted += [(item.name, item.teams) for item in load_preset(preset)]
        except FileNotFoundError:
            raise click.ClickException(f"There is no preset named {preset}.") from None
    if not wanted:
        raise click.UsageError("Name a domain, or give --preset.")
    if any(not its_teams for _, its_teams in wanted):
        raise click.UsageError("Give at least one --team: without one nobody is entitled.")
    with connection():
        for name, its_teams in wanted:
            _add_one(name, its_teams, coc, automatic)


def _add_one(name: str, teams: tuple[str, ...], coc: bool, automatic: bool) -> None:
    try:
        added = add_domain(OPERATOR, name, teams, utc_now(), coc_required=coc, automatic=automatic)
    except AddressError as error:
        raise click.ClickException(f"{name}: {error}") from None
    except DomainExists:
        click.echo(f"{name} is there already.")
        return
    click.echo(f'{added.name} TXT "{verification_record(added)}"')


@domain.command("verify")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Verify every domain that is not verified yet.")
@click.pass_obj
def verify(settings: Settings, names: tuple[str, ...], everything: bool) -> None:
    """Look for the TXT record of domains; exits 1 when one is not proven."""
    if not names and not everything:
        raise click.UsageError("Name a domain, or give --all.")
    resolver = resolver_of(settings)
    failed = False
    with connection():
        for row in _chosen(names, everything):
            outcome = look_for_record(row, resolver)
            if outcome is TxtOutcome.FOUND:
                mark_verified(OPERATOR, row, utc_now())
                click.echo(f"{row.name} is verified.")
                continue
            failed = True
            click.echo(_why_not(row, outcome))
    if failed:
        raise SystemExit(1)


def _chosen(names: tuple[str, ...], everything: bool) -> list[Domain]:
    if everything:
        return list(Domain.select().where(Domain.verified_at.is_null(), Domain.removed_at.is_null()))
    rows = {row.name: row for row in Domain.select().where(Domain.name.in_([n.lower() for n in names]))}
    unknown = [name for name in names if name.lower() not in rows]
    if unknown:
        raise click.ClickException(f"Not added yet: {', '.join(unknown)}. Use `waypost domain add` first.")
    return list(rows.values())


def _why_not(row: Domain, outcome: TxtOutcome) -> str:
    if outcome is TxtOutcome.UNKNOWN:
        return f"{row.name}: DNS did not answer. Nothing was changed, try again later."
    return (
        f"{row.name}: the record is not there (yet). Publish this one at {row.name} or at\n"
        f'_waypost.{row.name}: TXT "{verification_record(row)}"'
    )


@domain.command("list")
def list_domains() -> None:
    """List the domains, their teams, and whether they are verified."""
    with connection():
        for row in Domain.select().where(Domain.removed_at.is_null()).order_by(Domain.name):
            state = f"verified {row.verified_at:%Y-%m-%d}" if row.verified_at else "not verified"
            way = "\tautomatic" if row.automatic else ""
            click.echo(f"{row.name}\t{state}\t{', '.join(teams_of(row))}{way}")
