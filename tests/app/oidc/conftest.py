"""A real portal with a roster file, at which people sign in by OpenID Connect."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from app.auth import oidc_provider
from core import database, runtime
from core.settings import Settings
from devtools.accounts import Account
from devtools.oidc import CLIENT_ID, CLIENT_SECRET, NAME, PretendOidc
from devtools.servers import PretendServers
from tests.app.conftest import fill_database, portal_settings
from tests.app.oidc.browser import OidcClient
from tests.support.portal import Portal


class RosterBook:
    """The roster file of the portal; every change is written at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tables: list[str] = []
        self.add("keeper", "keeper-of-the-file")

    def add(self, name: str, subject: str | None = None, *teams: str, email: str | None = None) -> None:
        """Add a person, by subject or by address."""
        who = f"id = {json.dumps(subject)}" if subject else f"email = {json.dumps(email)}"
        self._tables.append(
            f"[[people]]\n{who}\nname = {json.dumps(name)}\nteams = {json.dumps(teams)}\n"
            "code_of_conduct = true\n"
        )
        self.path.write_text("\n".join(self._tables))


def oidc_settings(outside: PretendServers, database_url: str, folder: Path, **more: str) -> Settings:
    """Settings of a portal with a roster, at the pretend provider."""
    values = {
        "directory": "roster",
        "roster_file": str(folder / "roster.toml"),
        "oidc_issuer": outside.oidc.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": CLIENT_SECRET,
        "oidc_name": NAME,
    }
    return portal_settings(outside, database_url, folder, **(values | more))


@pytest.fixture(scope="package")
def oidc_portal(outside: PretendServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """The portal, started once."""
    folder = tmp_path_factory.mktemp("oidc-portal")
    settings = oidc_settings(outside, f"sqlite:///{folder}/waypost.db", folder)
    RosterBook(folder / "roster.toml")
    fill_database(settings)
    portal = Portal(settings)
    try:
        portal.start()
        yield portal
    finally:
        portal.stop()


@pytest.fixture(scope="package")
def book(oidc_portal: Portal) -> RosterBook:
    """Its roster."""
    assert oidc_portal.settings.roster_file is not None
    return RosterBook(oidc_portal.settings.roster_file)


@pytest.fixture
def portal(oidc_portal: Portal, book: RosterBook, outside: PretendServers) -> Iterator[Portal]:
    """The portal for one test, and a provider without faults."""
    outside.oidc.heal()
    runtime.prepare(oidc_portal.settings)
    with database.connection():
        yield oidc_portal
    structlog.reset_defaults()
    outside.oidc.heal()
    assert oidc_portal.new_troubles() == []


@pytest.fixture
def provider(outside: PretendServers) -> PretendOidc:
    """The provider."""
    return outside.oidc


@pytest.fixture
def blank(portal: Portal) -> Iterator[Settings]:
    """The portal's settings for this process, which knows nothing of the provider yet."""
    oidc_provider._providers.clear()
    oidc_provider._keys.clear()
    yield portal.settings
    oidc_provider._providers.clear()
    oidc_provider._keys.clear()


@pytest.fixture
def member(new_person: Callable[..., Account], book: RosterBook) -> Account:
    """A member of the team of ubuntu.com, by subject."""
    account = new_person()
    book.add(account.name, account.suffixes[0], "ubuntumembers")
    return account


@pytest.fixture
def new_client(portal: Portal, outside: PretendServers) -> Iterator[Callable[[], OidcClient]]:
    """Opens another browser at the portal."""
    opened: list[OidcClient] = []

    def make() -> OidcClient:
        opened.append(OidcClient(portal.url, outside.oidc))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(new_client: Callable[[], OidcClient]) -> OidcClient:
    """A browser at the portal."""
    return new_client()
