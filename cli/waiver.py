"""`waypost waiver list|show|grant|refuse|end`."""

from collections.abc import Callable
from datetime import date, datetime

import click

from core import waivers
from core.audit import OPERATOR
from core.database import connection, utc_now
from core.models import Alias, Domain, Person, Waiver, by_id
from core.overview import alias_views
from core.ownership import NotYours
from core.queues import wake_outbox
from core.settings import Settings
from core.standing import decision_for
from core.waiver_rules import Kind, State, WaiverProblem, warnings_about

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def waiver() -> None:
    """What people ask for beyond the rules."""


@waiver.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what is decided or was taken back.")
@click.option("--domain", "domain_name", help="Only requests for this domain.")
def list_waivers(everything: bool, domain_name: str | None) -> None:
    """List the requests that wait, the oldest first."""
    with connection():
        query = Waiver.select(Waiver, Domain, Person).join(Domain).switch(Waiver).join(Person)
        if not everything:
            query = query.where(Waiver.state == State.ASKED)
        if domain_name:
            query = query.where(Domain.name == domain_name.lower())
        for row in query.order_by(Waiver.asked_at, Waiver.id):
            click.echo(f"{row.id}\t{row.state}\t{_asked_for(row)}\t{_name(row.person)}\t{_day(row.asked_at)}")


@waiver.command("show")
@click.argument("number", type=int)
def show(number: int) -> None:
    """Show a request with everything needed to decide on it."""
    with connection():
        row = _find(number)
        click.echo(f"{_name(row.person)} asks for {_asked_for(row)}: {row.state}.")
        click.echo(
            f"Asked on {_day(row.asked_at)}, by {', '.join(i.subject for i in row.person.identities)}."
        )
        click.echo(f"\n{row.reason}\n")
        if row.answer:
            click.echo(f"Answer: {row.answer}")
        decision = decision_for(row.person, row.domain, utc_now())
        click.echo(f"Entitled to {row.domain.name} now: {decision.answer}.")
        for reason in decision.missing:
            click.echo(f"  {reason.condition}: {reason.answer} {', '.join(reason.teams)}".rstrip())
        for view in alias_views(row.person, utc_now()):
            click.echo(f"Has {view.alias.text} ({view.fate}{_until(view.alias)}).")
        _warn(row)


@waiver.command("grant")
@click.argument("number", type=int)
@click.option("--until", type=DAY, help="Another last day than was asked for, as 2027-01-31.")
@click.option("--answer", default="", help="A word to the person.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
def grant(settings: Settings, number: int, until: datetime | None, answer: str, yes: bool) -> None:
    """Grant a request: what was asked for is made at once, and the person is told."""
    with connection():
        row = _find(number)
        _warn(row)
        if not yes:
            click.confirm(f"Grant {_name(row.person)} {_asked_for(row)}?", abort=True)
        last: date | None = until.date() if until else None
        _decide(
            lambda: waivers.grant(
                OPERATOR, number, settings.record_secret, utc_now(), until=last, answer=answer
            )
        )
        click.echo("Granted.")
    wake_outbox(settings)


@waiver.command("refuse")
@click.argument("number", type=int)
@click.argument("reason")
@click.pass_obj
def refuse(settings: Settings, number: int, reason: str) -> None:
    """Refuse a request with a REASON, which the person is told."""
    with connection():
        _find(number)
        _decide(lambda: waivers.refuse(OPERATOR, number, reason, utc_now()))
        click.echo("Refused.")
    wake_outbox(settings)


@waiver.command("end")
@click.argument("number", type=int)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def end(number: int, yes: bool) -> None:
    """End a granted entitlement to a domain today."""
    with connection():
        row = _find(number)
        if not yes:
            click.confirm(f"End for {_name(row.person)} {_asked_for(row)}?", abort=True)
        _decide(lambda: waivers.end(OPERATOR, number, utc_now()))
        click.echo("Ended.")


def _find(number: int) -> Waiver:
    row = by_id(Waiver, number)
    if row is None:
        raise click.ClickException(f"There is no request {number}. `waypost waiver list` shows what waits.")
    return row


def _decide(decide: Callable[[], object]) -> None:
    try:
        decide()
    except WaiverProblem as error:
        raise click.ClickException(str(error)) from None
    except NotYours:
        raise click.ClickException("This person has just deleted their account.") from None


def _asked_for(row: Waiver) -> str:
    last = f" until {_day(row.ends_at)}" if row.ends_at else ""
    if row.kind == Kind.LOCAL_PART:
        return f"{row.local_part}@{row.domain.name}"
    return f"{'an address on' if row.kind == Kind.DOMAIN else 'a later end on'} {row.domain.name}{last}"


def _name(person: Person) -> str:
    return person.launchpad_name or f"person {person.id}"


def _until(alias: Alias) -> str:
    return f", until {_day(alias.grace_until)}" if alias.grace_until else ""


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def _warn(row: Waiver) -> None:
    for warning in warnings_about(row):
        click.echo(f"Note: {warning}", err=True)
