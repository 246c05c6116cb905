"""`waypost admin grant|grant-team|list|revoke` and `waypost person ban|unban`."""

import click

from core import people, roles
from core.audit import OPERATOR
from core.database import connection, utc_now
from core.directories import Deadline
from core.directories.configured import make_directory
from core.domain_admin import DomainProblem, check_team
from core.domains import find_domain
from core.models import Domain, Identity, Person, RoleGrant, RoleTeam
from core.settings import Settings

ASK_SECONDS = 20.0


@click.group()
def admin() -> None:
    """Who may administer what."""


@admin.command("grant")
@click.argument("who")
@click.option("--domain", "domain_name", help="Make a domain admin of this one domain.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in roles.Role if role is not roles.Role.DOMAIN_ADMIN]),
    default=roles.Role.PROJECT_ADMIN.value,
    help="The role, when it is not for one domain.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
def grant(settings: Settings, who: str, domain_name: str | None, role: str, yes: bool) -> None:
    """Give a role to WHO: an identity, or the name of a person who has signed in.

    An identity is a claimed id of Ubuntu One, or with OpenID Connect `sub:` and the subject. The role
    is tied to it. A name only finds it, and is shown before anything is done.
    """
    with connection():
        subject = _subject(settings, who)
        domain = _domain(domain_name) if domain_name else None
        chosen = roles.Role.DOMAIN_ADMIN if domain else roles.Role(role)
        what = f"{chosen.value} of {domain.name}" if domain else chosen.value
        if not yes:
            click.confirm(f"Make {subject} {what}?", abort=True)
        new = roles.grant(OPERATOR, settings.identity_issuer, subject, chosen, domain, utc_now())
        click.echo(f"{subject} is {what}." if new else f"{subject} was {what} already.")


@admin.command("list")
@click.pass_obj
def list_roles(settings: Settings) -> None:
    """List all roles, with the number by which `waypost admin revoke` takes one."""
    with connection():
        for row in roles.grants():
            click.echo(f"{row.id}\t{_role(row)}\t{row.subject}")
        for team in roles.team_grants():
            click.echo(f"team {team.id}\t{_role(team)}\t{team.team}")
    for line in settings.admins:
        click.echo(f"by ADMINS\t{line}")


@admin.command("revoke")
@click.argument("number", type=int)
@click.option("--team", is_flag=True, help="NUMBER is that of a role given to a team.")
def revoke(number: int, team: bool) -> None:
    """Take the role with this NUMBER, as `waypost admin list` shows it."""
    take = roles.revoke_from_team if team else roles.revoke
    with connection():
        if not take(OPERATOR, number, utc_now()):
            raise click.ClickException("There is no such role. See `waypost admin list`.")
    click.echo("Taken.")


@admin.command("grant-team")
@click.argument("team")
@click.option("--domain", "domain_name", help="Make its members admins of this one domain.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in roles.Role if role is not roles.Role.DOMAIN_ADMIN]),
    default=roles.Role.PROJECT_ADMIN.value,
    help="The role, when it is not for one domain.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def grant_team(team: str, domain_name: str | None, role: str, yes: bool) -> None:
    """Give a role to whoever is in TEAM of the directory; it counts once the team was read."""
    try:
        check_team(team)
    except DomainProblem as error:
        raise click.ClickException(str(error)) from None
    with connection():
        domain = _domain(domain_name) if domain_name else None
        chosen = roles.Role.DOMAIN_ADMIN if domain else roles.Role(role)
        what = f"{chosen.value} of {domain.name}" if domain else chosen.value
        if not yes:
            click.confirm(f"Make all members of {team} {what}?", abort=True)
        new = roles.grant_to_team(OPERATOR, team, chosen, domain, utc_now())
        click.echo(f"Members of {team} are {what}." if new else f"They were {what} already.")


def _role(row: RoleGrant | RoleTeam) -> str:
    return f"{row.role} of {row.domain.name}" if row.domain else str(row.role)


def _subject(settings: Settings, who: str) -> str:
    """Take an identity as it was given, or find the one behind a name."""
    if settings.oidc_issuer:
        return who.removeprefix("sub:") if who.startswith("sub:") else _subject_of(settings, who)
    if not who.startswith(("https://", "http://")):
        return _subject_of(settings, who)
    if not who.startswith(settings.openid_claimed_id_prefix):
        raise click.ClickException(f"A claimed id begins with {settings.openid_claimed_id_prefix}.")
    return who


def _subject_of(settings: Settings, name: str) -> str:
    """Find the identity of the one person here who has this name at the directory now."""
    rows = list(
        Identity.select(Identity, Person)
        .join(Person)
        .where(Person.launchpad_name == name.lower(), Identity.issuer == settings.identity_issuer)
    )
    if not rows:
        raise click.ClickException(
            f"Nobody named {name} has signed in here yet. Let them sign in first, or give their identity."
        )
    directory = make_directory(settings)
    for row in rows:
        email = row.person.sign_in_email if row.person.sign_in_email_proven else None
        reading = directory.resolve(row.subject, Deadline(ASK_SECONDS), issuer=row.issuer, email=email)
        account = reading.account
        if account is not None and account.name == name.lower():
            made = "" if settings.roster_file else f" on Launchpad, account created {account.created[:10]}"
            click.echo(f"{name} is {row.subject}{made}.")
            return str(row.subject)
    source = "The roster" if settings.roster_file else "Launchpad"
    raise click.ClickException(f"{source} does not confirm now that {name} is the person who signed in here.")


def _domain(name: str) -> Domain:
    row = find_domain(name)
    if row is None:
        raise click.ClickException(f"{name} is not served here. Use `waypost domain add` first.")
    return row


@click.group()
def person() -> None:
    """People who have signed in."""


@person.command("ban")
@click.argument("who")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def ban(who: str, yes: bool) -> None:
    """Ban WHO: hold all their addresses, end their sessions, refuse their sign-in."""
    _change(who, yes, "Ban", people.ban)


@person.command("unban")
@click.argument("who")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def unban(who: str, yes: bool) -> None:
    """Lift the ban of WHO: an identity or a name."""
    _change(who, yes, "Lift the ban of", people.unban)


def _change(who: str, yes: bool, verb: str, change: people.Change) -> None:
    with connection():
        found = _people_named(who)
        if len(found) != 1:
            count = "Nobody" if not found else "More than one person"
            raise click.ClickException(f"{count} here is {who}. Give the identity.")
        subjects = ", ".join(row.subject for row in found[0].identities)
        if not yes:
            click.confirm(f"{verb} {found[0].launchpad_name} ({subjects})?", abort=True)
        change(OPERATOR, found[0], utc_now())
        click.echo("Done.")


def _people_named(who: str) -> list[Person]:
    query = Person.select().join(Identity).distinct()
    return list(
        query.where((Identity.subject == who.removeprefix("sub:")) | (Person.launchpad_name == who.lower()))
    )
