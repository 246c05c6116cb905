"""core.directories.launchpad_names, against the pretend Launchpad by HTTP"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from core.directories import Deadline
from core.directories.launchpad import Launchpad
from core.directories.launchpad_names import LaunchpadNames
from core.facts import Answer
from devtools.accounts import Account, Team
from devtools.launchpad import PretendLaunchpad
from devtools.world import World

ISSUER = "https://login.ubuntu.com/"
PREFIX = "https://login.ubuntu.com/+id/"


@pytest.fixture
def world() -> World:
    world = World()
    world.register("ada")
    world.update("ada", date_created=datetime(2009, 3, 1, 10, tzinfo=UTC))
    return world


@pytest.fixture
def server(world: World) -> Iterator[PretendLaunchpad]:
    server = PretendLaunchpad(world)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def names(server: PretendLaunchpad) -> LaunchpadNames:
    return LaunchpadNames(
        Launchpad(server.url, "waypost tests"), server.url, "waypost tests", issuer=ISSUER, prefix=PREFIX
    )


def account(world: World, name: str = "ada") -> Account:
    found = world.account(name)
    assert found is not None
    return found


def ask(names: LaunchpadNames, name: str = "ada", seconds: float = 10):
    return names.identify(name, Deadline(seconds))


def test_a_page_leads_to_the_claimed_id_and_the_birth_of_the_account(names, world):
    found = ask(names)

    assert (found.answer, found.issuer) == (Answer.YES, ISSUER)
    assert found.subject == f"{PREFIX}{account(world).suffixes[0]}"
    assert found.born == datetime(2009, 3, 1, 10, tzinfo=UTC)


def test_a_name_that_nobody_has_is_a_clear_no(names, world):
    assert ask(names, "nobody-at-all").answer is Answer.NO
    world.suspend("ada")
    assert ask(names).answer is Answer.NO


def test_a_team_has_no_claimed_id(names, world):
    world.add_team(Team("proj-members", "Members", datetime(2009, 3, 1, tzinfo=UTC)))
    assert ask(names, "proj-members").answer is Answer.UNKNOWN


def test_the_page_and_the_web_service_must_agree(names, server):
    server.fail("bad-json", "/devel/people")
    assert ask(names, seconds=2).answer is Answer.UNKNOWN
    server.heal()
    server.delegate_prefix = "https://login.launchpad.net/+id/"
    assert ask(names).answer is Answer.YES


def test_a_name_that_changes_hands_meanwhile_is_unclear(names, server, world):
    """The page is that of the old name, the web service knows the new one already."""
    real = server.world.by_suffix

    def renamed(suffix):
        if world.account("ada"):
            world.rename("ada", "ada2")
        return real(suffix)

    server.world.by_suffix = renamed
    assert ask(names).answer is Answer.UNKNOWN


@pytest.mark.parametrize("kind", ["503-html", "html-200", "truncated", "closed", "hang"])
def test_trouble_says_nothing(names, server, kind):
    server.fail(kind, "/~ada", seconds=5)
    assert ask(names, seconds=1.5).answer is Answer.UNKNOWN
