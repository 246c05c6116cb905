"""Every route of the portal as each role and as nobody, with other people's ids and across domains.

A new route needs one line in `ROUTES`: who may, and whether it asks for a fresh sign-in. Its arguments are
filled in from `World.arguments`: they are of somebody else, and of the domain `proj.example`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from core import runtime
from core.audit import OPERATOR
from core.bulk import Action, begin
from core.database import connection, utc_now, write
from core.import_runs import State as ListState
from core.kept_names import keep_back
from core.models import (
    Alias,
    AuditEntry,
    ImportRun,
    Person,
    Recipient,
    RoleGrant,
    RoleTeam,
    Session,
    TeamReading,
)
from core.role_addresses import make as make_role_address
from core.roles import Role, grant, grant_to_team
from core.sessions import open_session
from core.settings import Settings
from tests.app.inside import browser_of
from tests.support.arrange import (
    ISSUER,
    make_admin,
    make_alias,
    make_domain,
    make_kept,
    make_member,
    make_waiver,
)

NOBODY = "nobody"
CONTRIBUTOR = "contributor"
AUDITOR = "auditor"
ELSEWHERE = "admin of another domain"
DOMAIN = "admin of the domain"
PROJECT = "admin of the project"
WHO = (NOBODY, CONTRIBUTOR, AUDITOR, ELSEWHERE, DOMAIN, PROJECT)


@dataclass(frozen=True)
class Rule:
    """Who may use a route; all others are refused, and nobody is asked to sign in."""

    who: frozenset[str]
    fresh: bool = False
    """Whether those who may must have signed in a short while ago."""
    fields: dict[str, str] = field(default_factory=dict)


def may(*who: str, fresh: bool = False, **fields: str) -> Rule:
    return Rule(frozenset(who), fresh, fields)


ALL = may(*WHO)
SIGNED_IN = may(*WHO[1:])
OWNER = may()
"""Only whose it is: the ids of the table are somebody else's, so everybody is refused."""
READERS = may(AUDITOR, ELSEWHERE, DOMAIN, PROJECT)
OF_THE_DOMAIN = may(AUDITOR, DOMAIN, PROJECT)
OF_THE_PROJECT = may(AUDITOR, PROJECT)

ROUTES = {
    "GET static": ALL,
    "GET public.front": ALL,
    "GET public.domain": ALL,
    "GET public.help_page": ALL,
    "GET public.help_answer": ALL,
    "GET public.privacy": ALL,
    "GET public.theme_file": may(),
    "POST public.choose_language": ALL,
    "GET auth.sign_in": ALL,
    "POST auth.begin": ALL,
    "GET auth.answer": ALL,
    "POST auth.take_posted_answer": ALL,
    "GET auth.oidc_answer": may(),
    "POST auth.sign_out": SIGNED_IN,
    "GET auth.again": SIGNED_IN,
    "POST auth.send_code": SIGNED_IN,
    "POST auth.enter_code": SIGNED_IN,
    "GET portal.home": SIGNED_IN,
    "GET portal.rows": SIGNED_IN,
    "POST portal.check_again": SIGNED_IN,
    "POST portal.check_domain": SIGNED_IN,
    "POST portal.claim": may(CONTRIBUTOR),
    "GET portal.verify": OWNER,
    "POST portal.verify_now": OWNER,
    "GET portal.address": OWNER,
    "POST portal.switch": OWNER,
    "POST portal.give_up": OWNER,
    "POST portal.add_recipient": OWNER,
    "POST portal.move_recipient": may(way="up"),
    "POST portal.remove_recipient": OWNER,
    "POST portal.replace_recipient": OWNER,
    "POST portal.resend": OWNER,
    "POST portal.set_order": OWNER,
    "POST portal.set_keeps_tag": OWNER,
    "POST portal.set_label": OWNER,
    "POST portal.send_test": OWNER,
    "GET portal.test_progress": OWNER,
    "GET portal.kept": OWNER,
    "POST portal.take_kept": OWNER,
    "POST portal.send_kept_code": OWNER,
    "POST portal.enter_kept_code": OWNER,
    "GET account.page": SIGNED_IN,
    "GET account.export": SIGNED_IN,
    "POST account.choose_language": SIGNED_IN,
    "POST account.choose_notices": SIGNED_IN,
    "POST account.end_session": SIGNED_IN,
    "POST account.end_sessions": SIGNED_IN,
    "GET account.leave": SIGNED_IN,
    "POST account.delete": may(*WHO[1:], fresh=True),
    "GET account.gone": ALL,
    "GET waivers.page": SIGNED_IN,
    "GET waivers.new": SIGNED_IN,
    "POST waivers.ask": SIGNED_IN,
    "POST waivers.withdraw": OWNER,
    "GET admin.overview": READERS,
    "GET admin.waivers": READERS,
    "GET admin.waiver": OF_THE_DOMAIN,
    "POST admin.grant_waiver": may(DOMAIN, PROJECT, fresh=True),
    "POST admin.refuse_waiver": may(DOMAIN, PROJECT),
    "POST admin.end_waiver": may(DOMAIN, PROJECT, fresh=True),
    "GET portal.role_address": OWNER,
    "POST portal.add_role_recipient": OWNER,
    "POST portal.remove_role_recipient": OWNER,
    "POST portal.resend_role_proof": OWNER,
    "GET admin.role_addresses": READERS,
    "POST admin.make_role_address": may(DOMAIN, PROJECT, fresh=True, domain="proj.example"),
    "GET admin.role_address": OF_THE_DOMAIN,
    "POST admin.add_role_owner": may(DOMAIN, PROJECT, fresh=True),
    "POST admin.remove_role_owner": may(DOMAIN, PROJECT, fresh=True),
    "POST admin.end_role_address": may(DOMAIN, PROJECT, fresh=True),
    "GET admin.first_admin": may(),
    "POST admin.become_first_admin": may(),
    "GET admin.people": READERS,
    "GET admin.person": OF_THE_DOMAIN,
    "POST admin.person_in_full": may(DOMAIN, PROJECT),
    "POST admin.check_person": may(DOMAIN, PROJECT),
    "POST admin.end_sessions_of_person": may(PROJECT),
    "POST admin.ban_person": may(PROJECT, fresh=True),
    "POST admin.unban_person": may(PROJECT, fresh=True),
    "POST admin.hold_address": may(DOMAIN, PROJECT, fresh=True),
    "POST admin.lift_address": may(DOMAIN, PROJECT, fresh=True),
    "POST admin.end_address": may(DOMAIN, PROJECT, fresh=True),
    "POST admin.release_name": may(DOMAIN, PROJECT, fresh=True),
    "GET admin.move": may(DOMAIN, PROJECT),
    "POST admin.move_address": may(DOMAIN, PROJECT, fresh=True),
    "GET admin.bulk": may(ELSEWHERE, DOMAIN, PROJECT),
    "POST admin.begin_bulk": may(ELSEWHERE, DOMAIN, PROJECT, action="hold"),
    "GET admin.bulk_run": may(PROJECT),
    "POST admin.start_bulk": may(PROJECT, fresh=True),
    "GET admin.failing": READERS,
    "GET admin.names": READERS,
    "POST admin.keep_name": may(DOMAIN, PROJECT, domain="proj.example"),
    "POST admin.let_name_go": may(DOMAIN, PROJECT),
    "GET admin.look_alikes": READERS,
    "POST admin.accept_look_alike": may(DOMAIN, PROJECT),
    "GET admin.held": OF_THE_PROJECT,
    "POST admin.confirm_team": may(PROJECT, fresh=True),
    "POST admin.discard_team": may(PROJECT),
    "POST admin.confirm_accounts": may(PROJECT, fresh=True),
    "POST admin.discard_accounts": may(PROJECT),
    "GET admin.lookup": may(*OF_THE_DOMAIN.who, address="victim@proj.example"),
    "POST admin.lookup_in_full": may(DOMAIN, PROJECT, address="victim@proj.example"),
    "GET public.dns_page": may(),
    "POST public.check_dns": may(),
    "GET public.dns_zone": may(),
    "GET admin.domains": READERS,
    "GET admin.new_domain": may(PROJECT, fresh=True),
    "POST admin.add_domain": may(PROJECT, fresh=True),
    "GET admin.domain": OF_THE_DOMAIN,
    "POST admin.check_proof": may(DOMAIN, PROJECT),
    "GET admin.domain_rules": may(DOMAIN, PROJECT, fresh=True),
    "POST admin.change_domain": may(DOMAIN, PROJECT, fresh=True),
    "POST admin.add_domain_admin": may(PROJECT, fresh=True),
    "POST admin.remove_domain_admin": may(PROJECT, fresh=True),
    "POST admin.make_dns_link": may(DOMAIN, PROJECT),
    "POST admin.revoke_dns_link": may(DOMAIN, PROJECT),
    "POST admin.remove_domain": may(PROJECT, fresh=True, name="not.the.name"),
    "GET admin.dns": OF_THE_DOMAIN,
    "POST admin.check_dns": OF_THE_DOMAIN,
    "GET admin.dns_zone": OF_THE_DOMAIN,
    "GET admin.freed": OF_THE_PROJECT,
    "GET admin.jobs": OF_THE_PROJECT,
    "POST admin.retry_job": may(PROJECT),
    "POST admin.discard_job": may(PROJECT),
    "GET admin.roles": OF_THE_PROJECT,
    "POST admin.grant_role": may(PROJECT, fresh=True),
    "POST admin.revoke_role": may(PROJECT, fresh=True),
    "POST admin.revoke_team_role": may(PROJECT, fresh=True),
    "GET admin.imports": OF_THE_PROJECT,
    "POST admin.bring_list": may(PROJECT),
    "GET admin.import_run": OF_THE_PROJECT,
    "POST admin.approve_import": may(PROJECT, fresh=True),
    "POST admin.discard_import": may(PROJECT),
    "GET admin.waiting": OF_THE_PROJECT,
    "POST admin.look_again": may(PROJECT),
    "GET admin.kept_address": OF_THE_PROJECT,
    "POST admin.give_kept": may(PROJECT, fresh=True),
    "POST admin.drop_kept": may(PROJECT, fresh=True),
    "GET admin.audit": OF_THE_PROJECT,
    "GET admin.audit_entry": OF_THE_PROJECT,
    "POST admin.audit_values": OF_THE_PROJECT,
    "GET admin.audit_export": OF_THE_PROJECT,
}
"""One line a route: METHOD ENDPOINT, and who may."""


@dataclass(frozen=True)
class World:
    """A portal with somebody of each role, and somebody else whose things they all try for."""

    app: Flask
    settings: Settings
    people: dict[str, Person]
    victim: Person
    arguments: dict[str, object]


@pytest.fixture(scope="module")
def world(
    settings_of_all_tests: Settings, migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> World:
    """Made once; what those who may do to it, the others find done."""
    folder = tmp_path_factory.mktemp("matrix")
    (folder / "waypost.db").write_bytes(migrated_sqlite_file.read_bytes())
    own = {"state_dir": folder / "state", "relay_socket": folder / "relay.sock"}
    away = {"launchpad_api_url": "http://127.0.0.1:9", "openid_provider_url": "http://127.0.0.1:9"}
    away["resolver"] = "127.0.0.1:9"
    url = {"database_url": f"sqlite:///{folder}/waypost.db"}
    settings = settings_of_all_tests.model_copy(update=own | away | url)
    app = create_app(settings)
    app.config["WTF_CSRF_ENABLED"] = False  # test_sign_in_headers has that; here it would hide who may
    with connection():
        return World(app, settings, *_arrange())


def _arrange() -> tuple[dict[str, Person], Person, dict[str, object]]:
    now = utc_now()
    domain, other = make_domain(now), make_domain(now, "other.example")
    people = {
        CONTRIBUTOR: make_member(now, "con"),
        AUDITOR: make_admin(now, "aud", Role.AUDITOR),
        ELSEWHERE: make_admin(now, "els", Role.DOMAIN_ADMIN, other),
        DOMAIN: make_admin(now, "dom", Role.DOMAIN_ADMIN, domain),
        PROJECT: make_admin(now, "pro", Role.PROJECT_ADMIN),
    }
    victim = make_member(now, "victim")
    grant(OPERATOR, ISSUER, "spare", Role.PROJECT_ADMIN, None, now)
    grant(OPERATOR, ISSUER, "spare-of-domain", Role.DOMAIN_ADMIN, domain, now)
    grant_to_team(OPERATOR, "spare-admins", Role.AUDITOR, None, now)
    recipient = Recipient.get(Recipient.person == victim)
    with write():
        open_session(victim, now)
        reading = TeamReading.create(
            team="proj-members", read_at=now, count=1, names='["nobody"]', held_because="too many"
        )
    return (
        people,
        victim,
        {
            "alias_id": make_alias(victim, domain, now, "victim", recipients=[recipient]).id,
            "recipient_id": recipient.id,
            "session_id": Session.get(Session.person == victim).id,
            "waiver_id": make_waiver(victim, domain, now).id,
            "reading_id": reading.id,
            "grant_id": RoleGrant.get(RoleGrant.subject == "spare").id,
            "role_team_id": RoleTeam.get().id,
            "list_id": make_list(now).id,
            "kept_id": make_kept(domain, now, "kept", "victim").id,
            "person_id": victim.id,
            "role_alias_id": make_role_address(OPERATOR, domain, "team", [victim.id], now).id,
            "bulk_id": begin(people[PROJECT], Action.HOLD, [victim.id], now).id,
            "name_id": keep_back(OPERATOR, domain, "cabinet", now).id,
            "entry_id": AuditEntry.select().first().id,
            "domain_id": domain.id,
            "admin_id": RoleGrant.get(RoleGrant.subject == "spare-of-domain").id,
            "name": domain.name,
            "token": "none",
            "run_id": "none",
            "filename": "built/app.css",
            "slug": "leave",
        },
    )


def make_list(now: datetime) -> ImportRun:
    """A list of old addresses that waits for an admin's word."""
    with write():
        return ImportRun.create(made_at=now, listed_at=now, content=b"x,y", state=ListState.CHECKED)


@pytest.fixture(autouse=True)
def _this_database(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime.prepare(world.settings)
    monkeypatch.setattr("core.domains.DNS_SECONDS", 0.05)  # there is no DNS


@contextmanager
def nothing_changed(world: World) -> Iterator[None]:
    """Hold that nothing is written of the record, and the victim has what they had."""
    before = _state(world)
    yield
    assert _state(world) == before


def _state(world: World) -> object:
    own = [table.select().where(table.person == world.victim) for table in (Alias, Recipient, Session)]
    with connection():
        return AuditEntry.select().count(), [list(query.dicts()) for query in own]


def try_it(world: World, route: str, who: str, authenticated_ago: timedelta) -> TestResponse:
    """Use a route as somebody, who gave their password so long ago."""
    method, endpoint = route.split()
    if who == NOBODY:
        client = world.app.test_client()
    else:
        client = browser_of(world.app, world.people[who], utc_now() - authenticated_ago)
    rule = next(rule for rule in world.app.url_map.iter_rules(endpoint) if method in (rule.methods or ()))
    with world.app.test_request_context():
        path = world.app.url_map.bind("").build(
            endpoint, {name: _argument(world, endpoint, name) for name in rule.arguments}, method=method
        )
    fields = ROUTES[route].fields
    if method == "GET":
        return client.get(path, query_string=fields)
    return client.post(path, data=fields)


def _argument(world: World, endpoint: str, name: str) -> object:
    role_address = name == "alias_id" and "role_" in endpoint
    return world.arguments["role_alias_id" if role_address else name]


def answer_of(response: TestResponse) -> str:
    """Say in a word what became of it."""
    location = response.headers.get("Location", "")
    if response.status_code in (401, 403, 404):
        return "refused"
    if location.startswith("/login/again"):
        return "asked to sign in anew"
    return "asked to sign in" if location.split("?")[0] == "/login" else f"status {response.status_code}"


def test_every_route_has_its_line(world: World) -> None:
    """One that has none fails here: say in `ROUTES` who may use it."""
    methods = {"GET", "POST", "PUT", "PATCH", "DELETE"}
    rules = world.app.url_map.iter_rules()
    there = {f"{method} {rule.endpoint}" for rule in rules for method in methods & (rule.methods or set())}

    assert there == set(ROUTES)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("route", ROUTES)
def test_only_those_who_may_can_use_it(world: World, route: str, who: str) -> None:
    rule = ROUTES[route]

    if who in rule.who:
        response = try_it(world, route, who, timedelta())
        assert answer_of(response).startswith("status")
        assert response.status_code < 500
        return
    with nothing_changed(world):
        answer = answer_of(try_it(world, route, who, timedelta()))
    assert answer in (("asked to sign in", "refused") if who == NOBODY else ("refused",))


@pytest.mark.parametrize("route", [route for route, rule in ROUTES.items() if rule.fresh])
def test_what_is_dangerous_asks_for_a_fresh_sign_in(world: World, route: str) -> None:
    for who in ROUTES[route].who:
        with nothing_changed(world):
            assert answer_of(try_it(world, route, who, timedelta(hours=1))) == "asked to sign in anew"


@pytest.mark.parametrize("route", ROUTES)
def test_whoever_is_banned_is_nobody(world: World, route: str) -> None:
    with connection():
        banned = make_admin(utc_now(), f"banned-{route.lower()}", Role.PROJECT_ADMIN)
        Person.update(banned_at=utc_now()).where(Person.id == banned.id).execute()
    world.people["banned"] = banned

    with nothing_changed(world):
        answer = answer_of(try_it(world, route, "banned", timedelta()))
    assert NOBODY in ROUTES[route].who or answer in ("asked to sign in", "refused")
