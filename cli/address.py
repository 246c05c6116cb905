"""`waypost route ADDRESS`."""

from collections.abc import Sequence

import click

from core.addresses import AddressError, parse_address
from core.alias_table import AliasTableUnavailable, open_alias_table
from core.database import utc_now
from core.domains import resolver_of
from core.route_steps import Asked, Hosts, MailHosts, Step, hosts_of, route_with_steps
from core.routing import Fate
from core.settings import Settings

HOSTS = {
    Hosts.MX: "its mail servers are {names}",
    Hosts.ADDRESS: "its domain names no mail server, so mail goes to the domain's own address",
    Hosts.NO_MAIL: "its domain says that it takes no mail",
    Hosts.NONE: "there is no such domain, or none that takes mail",
    Hosts.UNKNOWN: "DNS gave no clear answer now; the relay would have senders try later",
}


@click.command("route")
@click.argument("address")
@click.pass_obj
def route_command(settings: Settings, address: str) -> None:
    """Say what would happen now to mail for ADDRESS, and why; exits 1 when it would not be delivered."""
    try:
        parsed = parse_address(address)
        table = open_alias_table(settings.database_url)
        found, steps = route_with_steps(table, parsed, settings.ops_address, utc_now())
    except AddressError as error:
        raise click.ClickException(str(error)) from None
    except AliasTableUnavailable as error:
        raise click.ClickException(f"The database does not answer ({error}): mail would get 451.") from None
    _print(steps)
    if found.fate is not Fate.DELIVER:
        click.echo(f"{parsed.text}: refused with {found.reply}")
        raise SystemExit(1)
    click.echo(f"{parsed.text}: goes to {', '.join(found.recipients)} (as {found.alias})")
    hosts = hosts_of(resolver_of(settings), found.recipients) if settings.smarthost is None else {}
    for recipient, one in hosts.items():
        click.echo(f"  {recipient}: {_where(one)}")


def _print(steps: Sequence[Step]) -> None:
    for number, step in enumerate(steps, 1):
        click.echo(f"{number}. {_said(step)}")


def _said(step: Step) -> str:
    if step.asked is Asked.DOMAIN:
        return f"{step.about} is {'' if step.found else 'not '}served here and proven."
    if step.asked is Asked.ADMINS:
        return f"It is a name that always reaches somebody: {_admins(step)}."
    if step.facts is None:
        return f"There is no {step.about}."
    facts = step.facts
    return (
        f"There is {step.about}: entitlement {facts.entitlement}, switch {facts.switch}, hold {facts.hold}; "
        f"that is {step.fate}."
    )


def _admins(step: Step) -> str:
    if step.found:
        return f"the admins of {step.about}"
    return f"{step.about} has no admin with a mailbox, so the ops address"


def _where(hosts: MailHosts) -> str:
    return HOSTS[hosts.outcome].format(names=", ".join(hosts.names))
