"""`waypost keys create|rotate|withdraw|check|list`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import click

from core.audit import OPERATOR
from core.database import connection, utc_now
from core.dns_records import key_lines
from core.domains import resolver_of
from core.key_watch import check_keys
from core.models import DkimKey
from core.settings import Settings
from core.signing_keys import (
    ALGORITHMS,
    KeyRefused,
    KeyWaits,
    State,
    create_key,
    keys_of,
    open_key,
    our_name,
    record_needed_until,
    rotate_key,
    state_of,
    withdraw_key,
)


@click.group()
def keys() -> None:
    """Keys that sign and seal mail (DKIM, ARC)."""


@contextmanager
def _database() -> Iterator[None]:
    """Hold a connection; a refusal ends the command with its sentence."""
    with connection():
        try:
            yield
        except KeyRefused as error:
            raise click.ClickException(str(error)) from None


def _show(key: DkimKey) -> None:
    click.echo("\n".join(key_lines(key)))


@keys.command("create")
@click.argument("domains", nargs=-1, required=True)
@click.option("--algorithm", type=click.Choice(list(ALGORITHMS)), default="rsa", show_default=True)
@click.option("--selector", help="The name of the key below the domain; one from the date when not given.")
@click.pass_obj
def create(settings: Settings, domains: tuple[str, ...], algorithm: str, selector: str | None) -> None:
    """Make the first key of each of DOMAINS and print its record; it signs once DNS shows that."""
    with _database():
        for name in domains:
            key = create_key(OPERATOR, name, settings, utc_now(), algorithm=algorithm, selector=selector)
            _show(key)


@keys.command("rotate")
@click.argument("domains", nargs=-1, required=True)
@click.option("--algorithm", type=click.Choice(list(ALGORITHMS)), help="The present key's when not given.")
@click.option("--selector", help="The name of the key below the domain; one from the date when not given.")
@click.pass_obj
def rotate(settings: Settings, domains: tuple[str, ...], algorithm: str | None, selector: str | None) -> None:
    """Make the next key of each of DOMAINS; the present one signs until DNS shows the new record."""
    with _database():
        for name in domains:
            try:
                key = rotate_key(OPERATOR, name, settings, utc_now(), algorithm=algorithm, selector=selector)
            except KeyWaits as waits:
                _show(waits.key)
                raise
            _show(key)


@keys.command("withdraw")
@click.argument("domain")
@click.pass_obj
def withdraw(settings: Settings, domain: str) -> None:
    """Delete the key of DOMAIN that waits for DNS, so that another one can be made."""
    with _database():
        key = withdraw_key(OPERATOR, domain, settings, utc_now())
    click.echo(f"{key.selector} is deleted. If {key.record_name} is in DNS already, take it out.")


@keys.command("check")
@click.pass_context
def check(context: click.Context) -> None:
    """Look whether DNS shows the keys, as a job does every 10 minutes, and list them."""
    with _database():
        check_keys(OPERATOR, context.obj, resolver_of(context.obj), utc_now())
    context.invoke(list_keys)


@keys.command("list")
@click.argument("domain", required=False)
@click.pass_obj
def list_keys(settings: Settings, domain: str | None = None) -> None:
    """List the keys of DOMAIN, or of all: where each stands, since when, and what to do about it."""
    with _database():
        rows = keys_of(our_name(domain, settings) if domain else None)
    for key in rows:
        words = _standing(key, settings, utc_now())
        click.echo("\t".join([key.domain, key.selector, key.algorithm, *words]))
    if not rows:
        click.echo("There is no key yet. `waypost keys create DOMAIN` makes one.")


def _standing(key: DkimKey, settings: Settings, now: datetime) -> tuple[str, str]:
    """Say where a key stands and what there is to do."""
    state = state_of(key)
    if state is State.RETIRED:
        until = record_needed_until(key)
        todo = f"keep its record until {until:%Y-%m-%d}" if until > now else "take its record out of DNS"
        return f"retired since {_minute(key.retired_at)}", todo
    if state is State.WAITING:
        where, todo = f"waiting for DNS since {_minute(key.created_at)}", "publish its record"
    else:
        where, todo = f"in use since {_minute(key.published_at)}", "nothing to do"
    if key.missing_since is not None:
        todo = f"publish its record: DNS does not show it since {_minute(key.missing_since)}"
    if open_key(key, settings.record_secret) is None:
        verb = "withdraw" if state is State.WAITING else "rotate"
        todo = f"{verb} it: this RECORD_SECRET does not open it"
    return where, todo


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
