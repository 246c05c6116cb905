"""`waypost domain add|verify|check|remove|list`."""

import re
from typing import Any

import click

from core.addresses import AddressError, to_ascii_domain
from core.audit import OPERATOR
from core.database import connection, utc_now
from core.dns_asking import Outcome
from core.dns_look import report_on
from core.dns_report import Finding, Level
from core.domain_admin import DomainProblem, check_team, refuse_own_name
from core.domain_proof import check_domain
from core.domains import DomainExists, add_domain, find_domain, remove_domain, verification_record
from core.models import Domain
from core.presets import load_preset
from core.settings import Settings
from core.signing_keys import KeyRefused, our_name
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
@click.option("--token", help="Keep the token of a record that one domain has already.")
@click.pass_obj
def add(
    settings: Settings,
    names: tuple[str, ...],
    teams: tuple[str, ...],
    preset: str | None,
    coc: bool,
    automatic: bool,
    token: str | None,
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
    if token is not None and (len(wanted) != 1 or not re.fullmatch(r"[A-Za-z0-9_-]{8,64}", token)):
        raise click.UsageError("--token goes with one domain, and has 8 to 64 letters, digits, - and _.")
    rules = {"coc_required": coc, "automatic": automatic, "token": token}
    with connection():
        for name, its_teams in wanted:
            _add_one(settings, name, its_teams, rules)


def _add_one(settings: Settings, name: str, teams: tuple[str, ...], rules: dict[str, Any]) -> None:
    try:
        refuse_own_name(to_ascii_domain(name), settings)
        for team in teams:
            check_team(team)
        added = add_domain(OPERATOR, name, teams, utc_now(), **rules)
    except (AddressError, DomainProblem) as error:
        raise click.ClickException(f"{name}: {error}") from None
    except DomainExists:
        click.echo(f"{name} is there already.")
        return
    click.echo(f'{added.name} TXT "{verification_record(added, settings.verification_prefix)}"')


@domain.command("verify")
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Verify every domain that is not verified yet.")
@click.pass_obj
def verify(settings: Settings, names: tuple[str, ...], everything: bool) -> None:
    """Look for the TXT record of domains; exits 1 when one is not proven."""
    if not names and not everything:
        raise click.UsageError("Name a domain, or give --all.")
    failed = False
    with connection():
        for row in _chosen(names, everything):
            outcome = check_domain(OPERATOR, row, settings, utc_now()).outcome
            if outcome is Outcome.FOUND:
                click.echo(f"{row.name} is verified.")
                continue
            failed = True
            click.echo(_why_not(settings, row, outcome))
    if failed:
        raise SystemExit(1)


def _chosen(names: tuple[str, ...], everything: bool) -> list[Domain]:
    if everything:
        return list(Domain.select().where(Domain.verified_at.is_null(), Domain.removed_at.is_null()))
    found = {name: find_domain(name) for name in names}
    unknown = [name for name, row in found.items() if row is None]
    if unknown:
        raise click.ClickException(f"Not added yet: {', '.join(unknown)}. Use `waypost domain add` first.")
    return list({row.id: row for row in found.values() if row is not None}.values())


def _why_not(settings: Settings, row: Domain, outcome: Outcome) -> str:
    if outcome is Outcome.UNKNOWN:
        return f"{row.name}: DNS did not answer. Nothing was changed, try again later."
    return (
        f"{row.name}: the record is not there (yet). Publish this one at {row.name} or at\n"
        f'_waypost.{row.name}: TXT "{verification_record(row, settings.verification_prefix)}"'
    )


@domain.command("check")
@click.argument("name")
@click.pass_obj
def check(settings: Settings, name: str) -> None:
    """Look at the DNS records of NAME, asking its own servers; exits 1 when there is an error."""
    with connection():
        try:
            report = report_on(our_name(name, settings), settings, utc_now(), fresh=True)
        except KeyRefused as error:
            raise click.ClickException(str(error)) from None
    for level in Level:
        for finding in report.findings:
            if finding.level is level:
                click.echo(_line(finding))
    if report.count(Level.ERROR):
        raise SystemExit(1)


def _line(finding: Finding) -> str:
    shown = [
        f"{finding.level.upper()}\t{finding.name} {finding.rtype}: {finding.sentence}".replace("\t ", "\t")
    ]
    if finding.level is not Level.RIGHT:
        if finding.expected is not None:
            shown.append(f"\texpected: {finding.expected.line}")
        shown += [f"\tfound: {_harmless(text)}" for text in finding.found]
    return "\n".join(shown)


def _harmless(text: str) -> str:
    """Write what a stranger's server sent so that it does nothing to a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)


@domain.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, yes: bool) -> None:
    """Stop serving NAME: from now on all mail for its addresses is refused."""
    with connection():
        row = find_domain(name)
        if row is None:
            raise click.ClickException(f"{name} is no domain that is served here.")
        if not yes and click.prompt(f"Type {row.name} to have all its mail refused") != row.name:
            raise click.ClickException("Nothing was changed.")
        remove_domain(OPERATOR, row, utc_now())
    click.echo(f"{row.name} is not served any more.")


@domain.command("list")
def list_domains() -> None:
    """List the domains, their teams, and whether they are verified."""
    with connection():
        for row in Domain.select().where(Domain.removed_at.is_null()).order_by(Domain.name):
            state = f"verified {row.verified_at:%Y-%m-%d}" if row.verified_at else "not verified"
            if row.proof_missing_since is not None:
                state += f", record missing since {row.proof_missing_since:%Y-%m-%d}"
            way = "\tautomatic" if row.automatic else ""
            click.echo(f"{row.name}\t{state}\t{', '.join(teams_of(row))}{way}")
