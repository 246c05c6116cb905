"""A database with many people and ten addresses each, made by the database itself; and their cookies."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from flask.sessions import SecureCookieSessionInterface

from app import create_app
from core import database
from core.database import utc_now
from core.models import Alias, Domain, DomainTeam, Person, Session
from core.sessions import open_session
from core.settings import Settings

ALIASES_EACH = 10
STEP = 7919
"""Visitors stand so far apart in the tables that nobody's rows lie beside another's."""

# {nth} is which of a person's ten addresses it is; the sign % would stand for a value in psycopg.
_NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {last}) "
_FOR_EACH_PERSON = """
person (id, launchpad_name, account_created, display_name, name_key, sign_in_email, \
sign_in_key, sign_in_email_proven, language, language_chosen, muted, asked_at, created_at) \
SELECT i + 1, 'person' || i, '2010-01-01', 'Person ' || i, \
'person ' || i, 'person' || i || '@home.example', 'person' || i || '@home.example', {yes}, 'en', {no}, \
'[]', {now}, {now}
identity (issuer, subject, person_id, added_at) SELECT 'x', 'subject' || i, i + 1, {now}
recipient (id, person_id, address, address_key, verified_at, added_at) SELECT i + 1, i + 1, \
'person' || i || '@home.example', 'person' || i || '@home.example', {now}, {now}
account_fact (person_id, fact, holds, since, read_at) SELECT i + 1, 'valid', {yes}, {now}, {now}
account_fact (person_id, fact, holds, since, read_at) SELECT i + 1, 'coc_signed', {yes}, {now}, {now}
account_fact (person_id, fact, holds, since, read_at) SELECT i + 1, 'not_suspended', {yes}, {now}, {now}
"""
_MEMBERSHIP = (
    "membership (person_id, team, holds, since, read_at) SELECT i + 1, '{team}', {yes}, {now}, {now}"
)
_FOR_EACH_ALIAS = """
alias (id, domain_id, local_part, person_id, by_self_service, entitlement, switch, switched_at, hold, \
delivery_order, keeps_tag, label, shared, created_at) \
SELECT i + 1, {nth} - {nth} / {domains} * {domains} + 1, \
'person' || (i / {each}) || CASE WHEN {nth} < {domains} THEN '' ELSE '-second' END, i / {each} + 1, \
{yes}, 'entitled', 'on', {now}, 'none', 'all', {no}, '', {no}, {now}
alias_recipient (alias_id, recipient_id, position) SELECT i + 1, i / {each} + 1, 0
"""


def fill(settings: Settings, people: int, domains: int) -> None:
    """Make the tables and fill them.

    Everybody has ten addresses, on as many of the domains as there are, and is in every second team.
    """
    database.configure(settings.database_url)
    database.migrate()
    now = utc_now()
    with database.connection():
        if database.database.obj.for_update:  # nobody listens to the changes
            database.database.execute_sql("SET session_replication_role = replica")
        with database.write():
            for number in range(1, domains + 1):
                fields = {"verification_token": "t", "verified_at": now, "added_at": now}
                domain = Domain.create(name=f"domain{number}.example", **fields)
                DomainTeam.create(domain=domain, team=f"team{number}")
            _insert_all(people, domains, int(now.timestamp()))
        if database.database.obj.for_update:
            database.database.execute_sql("ANALYZE")  # as autovacuum would soon
        assert Alias.select().count() == people * ALIASES_EACH


def _insert_all(people: int, domains: int, now: int) -> None:
    values = {"yes": "TRUE", "no": "FALSE", "now": now, "domains": domains, "each": ALIASES_EACH}
    values["nth"] = "(i - i / {each} * {each})".format(**values)
    teams = [_MEMBERSHIP.replace("{team}", f"team{number}") for number in range(1, domains + 1, 2)]
    insert(_FOR_EACH_PERSON + "\n".join(teams), people, values)
    insert(_FOR_EACH_ALIAS, people * ALIASES_EACH, values)


def insert(texts: str, count: int, values: Mapping[str, object]) -> None:
    """Fill tables, each with as many rows.

    texts: a line for each table, `table (columns) SELECT expressions`, in which i counts from 0, and what
    stands in braces is one of `values`.
    """
    numbers = _NUMBERS.format(last=count - 1)
    for text in texts.strip().splitlines():
        table, select, rest = text.format(**values).partition(" SELECT")
        database.database.execute_sql(f"INSERT INTO {table} {numbers}{select}{rest} FROM n")


@dataclass(frozen=True)
class Visitor:
    """A signed-in browser."""

    token: str
    cookie: str
    """The value of its Cookie header."""


def sign_in(settings: Settings, people: int, count: int, freshly: bool = False) -> list[Visitor]:
    """Sign so many people in, each in one browser that has seen a page before; with the password just now?"""
    app = create_app(settings)
    sessions = app.session_interface
    assert isinstance(sessions, SecureCookieSessionInterface)
    serializer = sessions.get_signing_serializer(app)
    assert serializer is not None
    name, found = app.config["SESSION_COOKIE_NAME"], []
    # Before the last look at the directory, so that no page waits for one.
    earlier = utc_now() - timedelta(minutes=30)
    with database.connection(), database.write():
        for number in range(count):
            person = Person.get_by_id(number * STEP % people + 1)
            token = open_session(person, earlier, utc_now() if freshly else None)
            csrf = hashlib.sha256(token.encode()).hexdigest()
            value = serializer.dumps({"_user_id": token, "_fresh": True, "csrf_token": csrf})
            found.append(Visitor(token, f"{name}={value}"))
        Session.update(seen_at=utc_now().replace(minute=0, second=0, microsecond=0)).execute()
    return found
