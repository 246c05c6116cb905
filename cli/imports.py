"""`waypost import csv|waiting|look-again|give|drop`."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from core import reservations, takeover
from core.addresses import AddressError, parse_address
from core.audit import OPERATOR
from core.database import connection, utc_now
from core.import_file import FileProblem, read_file
from core.import_rules import GOOD, Fate, Verdict, judge
from core.imports import carry_out
from core.models import Alias, Domain, Reservation
from core.ownership import NotYours
from core.queues import Job, enqueue, wake_outbox
from core.reservations import NameState
from core.settings import Settings
from core.waiver_rules import end_of

STATES = {
    NameState.ASKING: "its Launchpad name is not looked up yet",
    NameState.FOUND: "its owner has not taken it over yet",
    NameState.NO_NAME: "the list has no Launchpad name for it: give it to its owner yourself",
    NameState.NO_ACCOUNT: "there is no account of that name",
    NameState.TOO_YOUNG: "the account of that name is younger than the list",
    NameState.UNCLEAR: "Launchpad gave no clear answer; it is asked again",
    NameState.BANNED: "the account of that name is that of somebody banned here",
}


@click.group("import")
def import_group() -> None:
    """Bring addresses over from an old system."""


@import_group.command("csv")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--as-of",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day of the list: accounts that are younger may not ask for its addresses. Today if not given.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would become of each line.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
def bring_csv(settings: Settings, file: Path, as_of: datetime | None, dry_run: bool, yes: bool) -> None:
    """Bring in FILE: address, recipients and Launchpad name in each line.

    First it says what becomes of each line, and asks. An import that was broken off can be repeated.
    Exits 1 when a line could not be used.
    """
    now = utc_now()
    listed_at = end_of(as_of.date()) if as_of is not None else now
    if listed_at.date() > now.date():
        raise click.UsageError("--as-of is a day that is still to come.")
    try:
        lines = read_file(file.read_bytes())
    except FileProblem as problem:
        raise click.ClickException(str(problem)) from None
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}.") from None
    with connection():
        verdicts = judge(lines)
        new = sum(one.fate is Fate.NEW for one in verdicts)
        if dry_run or (new and not yes):
            _report(verdicts)
        if dry_run:
            click.echo("Nothing was changed.")
        elif new and not yes:
            click.confirm(f"Bring in {new} addresses?", abort=True)
        if not dry_run:
            verdicts = carry_out(OPERATOR, verdicts, listed_at, now)
            _report(verdicts)
            if not enqueue(settings, Job.RESOLVE_NAMES):
                click.echo("The broker does not answer: the names are looked up when it does.")
    raise SystemExit(0 if all(one.fate in GOOD for one in verdicts) else 1)


def _report(verdicts: Sequence[Verdict]) -> None:
    for one in verdicts:
        click.echo(f"{one.number}\t{one.address}\t{one.words}")
    counts = Counter(one.fate for one in verdicts)
    click.echo(
        f"{len(verdicts)} lines: " + ", ".join(f"{n} {fate}" for fate, n in sorted(counts.items())) + "."
    )


@import_group.command("waiting")
@click.option("--state", type=click.Choice([state.value for state in NameState]), help="Only these.")
def waiting(state: str | None) -> None:
    """List the addresses whose owners have not taken them over, and why."""
    with connection():
        after = None
        while True:
            found = reservations.still_waiting(state or "", after=after)
            for row in found.rows:
                click.echo(_waiting_line(row))
            if found.next_key is None:
                return
            after = found.next_key


def _waiting_line(row: Reservation) -> str:
    imported = f"{row.imported_at:%Y-%m-%d}"
    return f"{row.alias.text}\t{row.launchpad_name or '-'}\t{imported}\t{STATES[NameState(row.state)]}"


@import_group.command("look-again")
@click.pass_obj
def look_again(settings: Settings) -> None:
    """Have the names looked up anew that led to no account that may ask."""
    with connection():
        count = reservations.look_again(OPERATOR, utc_now())
    enqueue(settings, Job.RESOLVE_NAMES)
    click.echo(f"{count} names are looked up again.")


@import_group.command("give")
@click.argument("address")
@click.argument("person", type=int)
@click.pass_obj
def give(settings: Settings, address: str, person: int) -> None:
    """Give ADDRESS to PERSON, by their number, where nobody can prove that it is theirs."""
    with connection():
        try:
            takeover.give(OPERATOR, _kept(address).id, person, utc_now())
        except NotYours:
            raise click.ClickException(
                "There is no such address, or no such person, or they are banned."
            ) from None
    wake_outbox(settings)
    click.echo(f"{address} is given to person {person}.")


@import_group.command("drop")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def drop(address: str, yes: bool) -> None:
    """Undo the import of ADDRESS: its mail is refused from then on."""
    with connection():
        alias = _kept(address)
        if not yes:
            click.confirm(f"Mail for {alias.text} is refused from then on. Go on?", abort=True)
        try:
            reservations.drop(OPERATOR, alias.id, utc_now())
        except NotYours:
            raise click.ClickException("Somebody has taken it over meanwhile.") from None
    click.echo("Done.")


def _kept(text: str) -> Alias:
    try:
        address = parse_address(text)
    except AddressError as error:
        raise click.ClickException(str(error)) from None
    query = Alias.select(Alias, Domain).join(Domain).join_from(Alias, Reservation)
    same = (Domain.name == address.domain) & (Alias.local_part == address.local_part.lower())
    alias = query.where(same).first()
    if alias is None:
        raise click.ClickException(f"{address.text} does not wait for an owner.")
    return alias  # type: ignore[no-any-return]
