"""The two bare pages beside which the portal is measured, served by the same gunicorn configuration.

`hello` says hello. `bare` makes the home page's queries by peewee and renders one template, without
sign-in, words, rules, headers or forms; the benchmark holds that the queries are the same.
"""

from datetime import UTC, datetime
from typing import Any

from flask import Flask, render_template, request
from peewee import JOIN, Value

from core import runtime
from core.database import database
from core.models import (
    MOST_ID,
    AccountFact,
    Alias,
    AliasRecipient,
    Domain,
    DomainTeam,
    ErasedOwner,
    Membership,
    Person,
    Recipient,
    ReservedName,
    Session,
    Waiver,
)
from core.reservations import ids_kept_for
from core.role_addresses import ids_owned_by
from core.routing import Switch
from core.secrets import token_hash
from core.settings import Settings


def make_hello() -> Flask:
    """Make the page that only says hello."""
    app = Flask(__name__)

    @app.get("/home")
    def home() -> str:
        return "hello"

    return app


def make_bare(settings: Settings | None = None) -> Flask:
    """Make the page that makes the same queries and renders one template.

    settings: read from the environment when not given.
    """
    if settings is None:
        runtime.start(keep_connections=True)
    app = Flask(__name__)

    @app.before_request
    def open_database() -> None:
        database.connect(reuse_if_open=True)

    @app.teardown_appcontext
    def close_database(_error: BaseException | None) -> None:
        if not database.is_closed():
            database.close()

    @app.get("/home")
    def home() -> str:
        token = request.headers["Authorization"]
        own = Session.token_hash == token_hash(token)
        person = Session.select(Session, Person).join(Person).where(own)[0].person
        return render_template("bare.html", person=person, now=datetime.now(UTC), **_load(person))

    return app


def _load(person: Person) -> dict[str, Any]:
    """Ask for what `core.overview` asks for."""
    aliases = list(
        Alias.select(Alias, Domain.id, Domain.name, AliasRecipient, Recipient)
        .join(Domain)
        .join_from(Alias, AliasRecipient, JOIN.LEFT_OUTER, attr="row")
        .join(Recipient, JOIN.LEFT_OUTER)
        .where(Alias.person.in_([person.id]), Alias.id.between(0, MOST_ID))
        .where(Alias.switch != Switch.GIVEN_UP, Domain.removed_at.is_null())
        .order_by(Alias.id, AliasRecipient.position, AliasRecipient.id)
    )
    facts = list(AccountFact.select().where(AccountFact.person.in_([person.id])))
    memberships = list(Membership.select().where(Membership.person.in_([person.id])))
    granted = (Waiver.kind == "domain") & (Waiver.state == "granted")
    waivers = list(Waiver.select().where(Waiver.person.in_([person.id]), granted))
    domains = list(
        Domain.select(Domain, DomainTeam.team)
        .join(DomainTeam, JOIN.LEFT_OUTER, attr="row")
        .where(Domain.removed_at.is_null())
        .order_by(Domain.id, DomainTeam.team)
    )
    name, served = person.launchpad_name, Domain.select(Domain.id).where(Domain.removed_at.is_null())
    others = (Alias.person != person) | Alias.person.is_null()
    named = Alias.domain.in_(served) & (Alias.local_part == name)
    taken = (
        Alias.select(Alias.domain, Value(1), ErasedOwner.owner)
        .join(ErasedOwner, JOIN.LEFT_OUTER, on=ErasedOwner.alias == Alias.id)
        .where(named, others)
    )
    kept = ReservedName.select(ReservedName.domain, Value(0), Value("")).where(
        ReservedName.local_part == name
    )
    beside = (
        Alias.select(Alias, Domain)
        .join(Domain)
        .where(Alias.id.in_(ids_kept_for(person) | ids_owned_by(person)), Domain.removed_at.is_null())
    )
    beside = beside.where(Alias.switch != Switch.GIVEN_UP).order_by(Alias.id)
    return {
        "aliases": aliases,
        "facts": facts,
        "memberships": {row.team: row for row in memberships},
        "waivers": waivers,
        "domains": domains,
        "problems": list(taken.union_all(kept).tuples()),
        "beside": list(beside),
    }
