"""`waypost roster check FILE`."""

from pathlib import Path

import click

from core.database import connection
from core.directories.roster_file import Roster, RosterProblem, read_roster
from core.roster_changes import addresses_at_risk, changes, missing_teams, shrunken_teams
from core.settings import Settings


@click.group()
def roster() -> None:
    """The roster file: people and teams without Launchpad."""


@roster.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def check(settings: Settings, file: Path) -> None:
    """Say what FILE would change in place of the present roster; exits 1 when it cannot be used.

    Nothing is changed.
    """
    try:
        new = read_roster(file)
    except RosterProblem as problem:
        click.echo("\n".join(problem.sentences))
        raise SystemExit(1) from None
    click.echo(f"{file} can be used: {len(new.entries)} people.")
    old = _present(settings)
    lines = [*changes(old, new), *shrunken_teams(old, new)] if old else []
    with connection():
        lines += [f"{team}: a domain asks for it, and nobody is in it" for team in missing_teams(new)]
        at_risk = addresses_at_risk(old, new, settings.identity_issuer)
    lines += [f"{address}: its owner would no longer be entitled to it" for address in at_risk]
    click.echo("\n".join(lines) or "Nothing changes.")


def _present(settings: Settings) -> Roster | None:
    """Read the roster that is in place; say so when there is none to compare with."""
    if settings.roster_file is None:
        click.echo("DIRECTORY is not set to roster, so there is none to compare with.")
        return None
    try:
        return read_roster(settings.roster_file)
    except RosterProblem as problem:
        click.echo(f"The present roster cannot be used, so there is none to compare with. {problem}")
        return None
