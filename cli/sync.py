"""`waypost sync status|held|confirm|discard`."""

from collections.abc import Sequence
from datetime import datetime

import click

from core import held
from core.audit import OPERATOR
from core.database import connection, utc_now
from core.models import TeamSync
from core.queues import Job, enqueue, failed_jobs, wake_outbox
from core.settings import Settings

FACTS = {
    "valid": "the account is not active any more",
    "coc_signed": "the Code of Conduct is not signed any more",
    "not_suspended": "the account is suspended",
}
NOT_THERE = "That is not held any more, or there is a newer reading. See `waypost sync held`."


@click.group()
def sync() -> None:
    """How far this is in step with Launchpad, and what waits for your word."""


@sync.command("status")
@click.pass_obj
def status(settings: Settings) -> None:
    """Show of each team when it was last read, the readings under way, and the jobs that failed."""
    with connection():
        for row in TeamSync.select().order_by(TeamSync.team):
            click.echo(f"{row.team}\t{_state(row)}")
    failed = failed_jobs(settings)
    if failed is None:
        click.echo("The broker does not answer, so failed jobs cannot be shown.")
    for job in failed or ():
        click.echo(f"failed\t{job.id}\t{_at(job.ended_at)}\t{job.why}")


def _state(row: TeamSync) -> str:
    last = f"last read {_at(row.finished_at)}" if row.finished_at else "not read yet"
    if row.running:
        of = f" of {row.people_total}" if row.people_total is not None else ""
        return f"being read since {_at(row.began_at)}: {row.people_read}{of} entries; {last}"
    return f"{row.problem} (since {_at(row.problem_since)}); {last}" if row.problem else last


@sync.command("held")
def show_held() -> None:
    """Show what is held, why, and who would lose what by it."""
    with connection():
        teams, accounts = held.held_teams_now(), held.held_accounts_now()
    for team in teams:
        click.echo(f"Team {team.team}, since {_at(team.since)}: {team.why}.")
        if team.reading_id is None:
            click.echo("  Nothing to confirm: it is read again by itself. Until then nobody loses it.")
        for loss in team.losses:
            click.echo(f"  not named: {_loss(loss)}")
    if accounts:
        click.echo(f"Accounts: {len(accounts)} changes at once are more than is likely.")
    for one in accounts:
        click.echo(f"  {FACTS.get(one.fact, one.fact)}, since {_at(one.since)}: {_loss(one.loss)}")
    if not teams and not accounts:
        click.echo("Nothing is held.")


def _loss(loss: held.Loss) -> str:
    addresses = ", ".join(loss.addresses) or "no address"
    return f"{loss.person.launchpad_name or 'no name known'} (person {loss.person.id}): {addresses}"


@sync.command("confirm")
@click.argument("team", required=False)
@click.option("--accounts", is_flag=True, help="The held changes of accounts, instead of a team.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
def confirm(settings: Settings, team: str | None, accounts: bool, yes: bool) -> None:
    """Say that what is held of TEAM, or of accounts, is so.

    Of a team, whoever is not named is then asked about one by one: two clear answers, six hours apart,
    are needed still before anybody's grace time begins.
    """
    with connection():
        if accounts:
            _decide_accounts(team, yes, "confirm")
        else:
            _decide_team(team, yes, "confirm")
            enqueue(settings, Job.SYNC_TEAM, str(team))
    wake_outbox(settings)


@sync.command("discard")
@click.argument("team", required=False)
@click.option("--accounts", is_flag=True, help="The held changes of accounts, instead of a team.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def discard(team: str | None, accounts: bool, yes: bool) -> None:
    """Say that what is held of TEAM, or of accounts, is not so: it is forgotten."""
    with connection():
        if accounts:
            _decide_accounts(team, yes, "discard")
        else:
            _decide_team(team, yes, "discard")


def _decide_team(team: str | None, yes: bool, word: str) -> None:
    if team is None:
        raise click.UsageError("Name a team, or give --accounts.")
    found = next((one for one in held.held_teams_now() if one.team == team), None)
    if found is None:
        raise click.ClickException(f"{team} is not held.")
    if found.reading_id is None:
        raise click.ClickException(f"{team} could not be read ({found.why}): there is nothing to {word}.")
    _ask(yes, word, f"the reading of {team} ({found.why})", found.losses)
    decide = held.confirm_team if word == "confirm" else held.discard_team
    if not decide(OPERATOR, found.reading_id, utc_now()):
        raise click.ClickException(NOT_THERE)
    click.echo("Done.")


def _decide_accounts(team: str | None, yes: bool, word: str) -> None:
    if team is not None:
        raise click.UsageError("Name a team or give --accounts, not both.")
    found = held.held_accounts_now()
    if not found:
        raise click.ClickException("No change of an account is held.")
    _ask(yes, word, f"{len(found)} changes of accounts", [one.loss for one in found])
    decide = held.confirm_accounts if word == "confirm" else held.discard_accounts
    count = decide(OPERATOR, [one.fact_id for one in found], utc_now())
    click.echo(f"Done: {count}.")


def _ask(yes: bool, word: str, what: str, losses: Sequence[held.Loss]) -> None:
    """Show whom it concerns, and ask, unless told not to."""
    for loss in losses:
        click.echo(f"  {_loss(loss)}")
    if not yes:
        click.confirm(f"{word.title()} {what}?", abort=True)


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else "an unknown time"
