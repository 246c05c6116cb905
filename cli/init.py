"""`waypost init`: the settings file, the tables, and the link that makes the first admin."""

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import click
from peewee import DatabaseError

from core import runtime
from core.audit import seal_head
from core.database import MARKS_THE_END, connection, migrate, sqlite_path, utc_now, write
from core.first_admin import LASTS, make_link
from core.models import AuditEntry
from core.settings import FILE_VARIABLE, Settings, SettingsError, check_settings

QUESTIONS = {
    "public_url": "Address of the portal, such as https://mail.example.org",
    "relay_hostname": "Host name of the relay, to which the MX records will point",
    "srs_domain": "Domain for rewritten senders, of its own",
    "ops_address": "Mail address to which problems are reported, on another domain",
    "mail_from": "From address of Waypost's own mail",
    "project_name": "Name of the project",
    "database_url": "Database: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME",
}


@click.command("init")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=Path("waypost.env"))
@click.option("--link", "link_only", is_flag=True, help="Only make a new link for the first admin.")
@click.option("--overwrite", is_flag=True, help="Replace FILE; the old one stays beside it as FILE.old.")
@click.option("--public-url", help=QUESTIONS["public_url"])
@click.option("--relay-hostname", help=QUESTIONS["relay_hostname"])
@click.option("--srs-domain", help=QUESTIONS["srs_domain"])
@click.option("--ops-address", help=QUESTIONS["ops_address"])
@click.option("--mail-from", help=QUESTIONS["mail_from"])
@click.option("--project-name", help=QUESTIONS["project_name"])
@click.option("--database-url", help=QUESTIONS["database_url"])
@click.option("--set", "more", multiple=True, metavar="NAME=VALUE", help="Any other setting.")
def init_command(
    file: Path, link_only: bool, overwrite: bool, more: tuple[str, ...], **given: str | None
) -> None:
    """Write the settings to FILE with fresh secrets, make the tables, and print a link.

    Whoever signs in and then opens that link becomes admin of the project. What is not given as an
    option is asked for. With --link, the settings are those that are there already.
    """
    if link_only:
        _print_link(runtime.start())
        return
    if file.exists() and not overwrite:
        raise click.ClickException(f"{file} is there already. Give --overwrite to replace it.")
    values = _ask(given) | _secrets() | _named(more)
    try:
        settings = check_settings(values)
    except SettingsError as error:
        raise click.ClickException(f"Nothing was written.\n{error}") from None
    try:
        _make_tables(settings)
        _write(file, values)
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be written: {error.strerror}.") from None
    click.echo(f"The settings are in {file.absolute()}, readable by you alone. Keep a copy in a safe place.")
    click.echo(f"Start each process with {FILE_VARIABLE}={file.absolute()} in its environment.")
    _print_link(settings)


def _ask(given: dict[str, str | None]) -> dict[str, str]:
    """Ask for what was not given, each with what it most likely is."""
    values: dict[str, str] = {}
    for name, question in QUESTIONS.items():
        answer = given[name]
        values[name] = answer if answer is not None else click.prompt(question, default=_likely(name, values))
    return values


def _likely(name: str, values: dict[str, str]) -> str | None:
    host = urlsplit(values.get("public_url", "")).hostname or ""
    domain = host.partition(".")[2] or host
    return {
        "relay_hostname": f"mx.{domain}",
        "srs_domain": f"srs.{domain}",
        "mail_from": f"waypost@{host}",
        "project_name": "Waypost",
        "database_url": f"sqlite:///{Path('var/waypost.db').absolute()}",
    }.get(name)


def _secrets() -> dict[str, str]:
    return {name: secrets.token_hex(32) for name in ("secret_key", "record_secret", "srs_secrets")}


def _named(more: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for item in more:
        name, equals, value = item.partition("=")
        if not equals or name.lower() not in Settings.model_fields:
            raise click.ClickException(f"{name} is no setting. docs/settings.md lists them.")
        values[name.lower()] = value
    return values


def _make_tables(settings: Settings) -> None:
    """Make the tables. A database with a record needs the secret that keys it, so it keeps its settings."""
    if settings.database_url.startswith("sqlite:///"):
        Path(sqlite_path(settings.database_url)).absolute().parent.mkdir(parents=True, exist_ok=True)
    runtime.prepare(settings)
    try:
        migrated = migrate()
        with connection():
            used = AuditEntry.select().exists()
            if not used and any(name.startswith(MARKS_THE_END) for name in migrated):
                with write():
                    seal_head()
    except DatabaseError as error:
        raise click.ClickException(f"The database cannot be used: {error}") from None
    if used:
        raise click.ClickException(
            "This database is in use, and its record is keyed by the secrets of other settings. Use those"
            " settings (for a new link: `waypost init --link`), or another database."
        )


def _write(file: Path, values: dict[str, str]) -> None:
    """Write the file so that nobody else can read it at any moment; in the syntax of shells and systemd."""
    unfit = [
        name for name, value in values.items() if "'" in value or "${" in value or not value.isprintable()
    ]
    if unfit:
        raise click.ClickException(f"{unfit[0].upper()} has a character that the file cannot hold.")
    text = "".join(f"{name.upper()}='{value}'\n" for name, value in values.items())
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    if file.exists():
        file.replace(file.with_name(f"{file.name}.old"))
    new.replace(file)


def _print_link(settings: Settings) -> None:
    with connection():
        token = make_link(utc_now())
    hours = int(LASTS.total_seconds() // 3600)
    click.echo(
        f"Sign in at {settings.public_url} and open this within {hours} hours to become its first admin:"
    )
    click.echo(f"{settings.public_url}/admin/first/{token}")
