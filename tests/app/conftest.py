"""Two real portals, one a database, in a pretend world that tests may change; started once for all."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from openid.fetchers import setDefaultFetcher

from app.auth.openid import PinnedFetcher
from core import database, runtime
from core.audit import OPERATOR
from core.database import utc_now
from core.domains import add_domain, mark_verified
from core.models import Domain
from core.presets import load_preset
from core.roles import Role
from core.settings import Settings
from devtools.accounts import Account
from devtools.people import demo_world
from devtools.servers import PretendServers
from devtools.stack import free_port
from devtools.world import World
from tests.app.admins import Admin
from tests.app.owner import Owner
from tests.support.portal import Portal
from tests.support.postgres import PostgresServer
from tests.support.webclient import Client

setDefaultFetcher(None)  # importing the portal sets its own for the process; the other tests have theirs
_numbers = itertools.count(1)

MakePerson = Callable[..., Account]


@pytest.fixture(scope="package", autouse=True)
def pinned_fetcher() -> Iterator[None]:
    """The portal's own way to fetch, for what these tests try of it in their own process."""
    setDefaultFetcher(PinnedFetcher(), wrap_exceptions=False)
    yield
    setDefaultFetcher(None)


@pytest.fixture(scope="package")
def outside() -> Iterator[PretendServers]:
    """Launchpad, Ubuntu One, resolver and mailboxes."""
    servers = PretendServers(demo_world())
    servers.start()
    yield servers
    servers.stop()


def portal_settings(outside: PretendServers, database_url: str, folder: Path, **more: str) -> Settings:
    """Settings of a portal in this world. There is no broker: the portal must do without."""
    port = free_port()
    resolver_host, resolver_port = outside.resolver.address
    values = {
        "secret_key": "the secret key of the portal 12345",
        "record_secret": "the record secret of the portal 12",
        "srs_secrets": "the SRS secret of the portal 12345",
        "public_url": f"http://127.0.0.1:{port}",
        "database_url": database_url,
        "srs_domain": "srs.waypost.example",
        "relay_hostname": "mx.waypost.example",
        "ops_address": "ops@ops.example.net",
        "mail_from": "waypost@waypost.example",
        "project_name": "Project",
        "state_dir": str(folder / "state"),
        "relay_socket": str(folder / "relay.sock"),
        "log_level": "WARNING",
        "resolver": f"{resolver_host}:{resolver_port}",
        "openid_provider_url": outside.ubuntu_one.url,
        "openid_endpoint": outside.ubuntu_one.endpoint,
        "openid_claimed_id_prefix": outside.ubuntu_one.identifier_prefix,
        "launchpad_api_url": outside.launchpad.url,
        "launchpad_web_url": outside.launchpad.url,
    }
    return Settings(**(values | more))  # type: ignore[arg-type]


def fill_database(settings: Settings) -> None:
    """Make the tables, and in them Ubuntu's six domains, proven."""
    runtime.prepare(settings)
    database.migrate()
    with database.connection():
        for item in load_preset("ubuntu"):
            mark_verified(OPERATOR, add_domain(OPERATOR, item.name, item.teams, utc_now()), utc_now())


@pytest.fixture(scope="package")
def sqlite_portal(outside: PretendServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """The portal over SQLite."""
    folder = tmp_path_factory.mktemp("portal")
    settings = portal_settings(outside, f"sqlite:///{folder}/waypost.db", folder)
    fill_database(settings)
    yield from _serve(settings)


@pytest.fixture(scope="package")
def postgres_portal(
    outside: PretendServers, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Portal]:
    """The portal over PostgreSQL."""
    url = postgres_server.create("portal")
    settings = portal_settings(outside, url, tmp_path_factory.mktemp("portal"))
    fill_database(settings)
    yield from _serve(settings)


def _serve(settings: Settings) -> Iterator[Portal]:
    portal = Portal(settings)
    try:
        portal.start()
        yield portal
    finally:
        portal.stop()


def _open(portal: Portal, outside: PretendServers) -> Iterator[Portal]:
    """A world without faults; the test's own models read and write the portal's database.

    Whatever the test was about, the portal must have met no error that nobody expected.
    """
    provider = outside.ubuntu_one
    outside.launchpad.heal()
    outside.launchpad.forget()
    provider.latency, provider.down, provider.force_post = 0.0, False, False
    provider.tamper = provider.answer_with = None
    runtime.prepare(portal.settings)
    with database.connection():
        yield portal
        ours = [item.name for item in load_preset("ubuntu")]  # domains of one test are in nobody else's way
        others = Domain.select().where(Domain.name.not_in(ours), Domain.removed_at.is_null())
        Domain.update(removed_at=utc_now()).where(Domain.id.in_([row.id for row in others])).execute()
    structlog.reset_defaults()
    outside.launchpad.heal()
    assert portal.new_troubles() == []


@pytest.fixture
def portal(sqlite_portal: Portal, outside: PretendServers) -> Iterator[Portal]:
    """The portal over SQLite, for one test."""
    yield from _open(sqlite_portal, outside)


@pytest.fixture(params=["sqlite", "postgresql"])
def each_portal(request: pytest.FixtureRequest, outside: PretendServers) -> Iterator[Portal]:
    """The portal on either database, for one test."""
    name = "sqlite_portal" if request.param == "sqlite" else "postgres_portal"
    yield from _open(request.getfixturevalue(name), outside)


@pytest.fixture
def world(outside: PretendServers) -> World:
    """Who is who at Launchpad and Ubuntu One."""
    return outside.world


@pytest.fixture
def new_person(world: World) -> MakePerson:
    """Makes a person whom no other test knows, in these teams."""

    def make(*teams: str, name: str = "", **fields: object) -> Account:
        account = world.register(name or f"person{next(_numbers)}", **fields)
        for team in teams:
            world.join(account.name, team)
        return account

    return make


@pytest.fixture
def member(new_person: MakePerson) -> Account:
    """An ordinary Ubuntu member who has never been here, NAME@home.example.net."""
    return new_person("ubuntumembers")


@pytest.fixture
def new_client(request: pytest.FixtureRequest, outside: PretendServers) -> Iterator[Callable[[], Client]]:
    """Opens another browser at this test's portal."""
    name = "each_portal" if "each_portal" in request.fixturenames else "portal"
    portal: Portal = request.getfixturevalue(name)
    opened: list[Client] = []

    def make() -> Client:
        opened.append(Client(portal.url, outside.ubuntu_one))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(new_client: Callable[[], Client]) -> Client:
    """A browser at this test's portal."""
    return new_client()


@pytest.fixture
def owner(client: Client, member: Account) -> Owner:
    """An ordinary member who has claimed the address on ubuntu.com."""
    return Owner(client, member)


@pytest.fixture
def new_admin(new_client: Callable[[], Client], new_person: MakePerson) -> Iterator[Callable[..., Admin]]:
    """Makes somebody with a role, signed in: `new_admin(Role.DOMAIN_ADMIN, "ubuntu.com")`."""
    made: list[Admin] = []

    def make(role: Role = Role.PROJECT_ADMIN, domain: str = "") -> Admin:
        made.append(Admin(new_client(), new_person(), role, domain))
        return made[-1]

    yield make
    for admin in made:
        admin.leave()
