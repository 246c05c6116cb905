"""The people of the demo, invented; and worlds of any size for benchmarks."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from devtools.accounts import Account, Membership, MembershipStatus, Status, Team
from devtools.world import World, WorldError

__all__ = [
    "UBUNTU_TEAMS",
    "Account",
    "Membership",
    "MembershipStatus",
    "Status",
    "Team",
    "World",
    "WorldError",
    "big_world",
    "demo_world",
    "roster_of",
]

UBUNTU_TEAMS = {
    "ubuntumembers": "Ubuntu Members",
    "kubuntu-members": "Kubuntu Members",
    "lubuntu-members": "Lubuntu Members",
    "edubuntu-members": "Edubuntu Members",
    "ubuntustudio-core": "Ubuntu Studio Core Team",
    "ubuntu-smtp-test": "Ubuntu SMTP Test",
}

_FIRST_DAY = datetime(2008, 4, 24, 9, 30, 12, 345678, tzinfo=UTC)

# Name, OpenID suffix, what the sign-in page says, and where the account differs from the ordinary.
_PEOPLE: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    (
        "ada",
        "aDa7xQ2",
        "An ordinary contributor: Ubuntu and Kubuntu member, Code of Conduct signed, e-mail verified.",
        {"display_name": "Ada Bell", "email": "ada@home.example.net", "karma": 1250},
    ),
    (
        "bruno",
        "bRu4nK9",
        "Ubuntu member who has not signed the Code of Conduct.",
        {"display_name": "Bruno Tal", "email": "bruno@mail.example.org", "coc_signed": False},
    ),
    (
        "chidi",
        "cHi8dW3",
        "Ubuntu member whose Launchpad account is suspended.",
        {
            "display_name": "Chidi Oake",
            "email": "chidi@home.example.net",
            "status": Status.SUSPENDED,
        },
    ),
    (
        "dora",
        "dOr2aM6",
        "In the Ubuntu members only through a team inside that team.",
        {"display_name": "Dora Lindt", "email": "dora@post.example.com", "time_zone": "Europe/Vienna"},
    ),
    (
        "emre",
        "eMr5eH1",
        "Was an Ubuntu member until the membership expired.",
        {"display_name": "Emre Solak", "email": "emre@mail.example.org"},
    ),
    (
        "fay+lab",
        "fAy9lB4",
        "Ubuntu member with a plus sign in the name, which makes no plain address.",
        {"display_name": "Fay Marsh", "email": "fay@home.example.net"},
    ),
    (
        "gail",
        "gAi3lR7",
        "Lubuntu and Ubuntu member who was called “gail” until last week; somebody else is “gail” now.",
        {"display_name": "Gail Moss", "email": "gail.moss@mail.example.org"},
    ),
    (
        "gail-newcomer",
        "gNe6wC8",
        "Took the name “gail” when it became free. Ubuntu member, a different person.",
        {"display_name": "Gail Dunn", "email": "dunn@post.example.com", "karma": 12},
    ),
    (
        "hana",
        "hAn1aT5",
        "In no team yet, Code of Conduct signed.",
        {"display_name": "Hana Kovar", "email": "hana@home.example.net", "karma": 3},
    ),
    (
        "ivo",
        "iVo7zE2",
        "Edubuntu member whose e-mail address Ubuntu One has not verified.",
        {"display_name": "Ivo Pen", "email": "ivo@mail.example.org", "email_verified": False},
    ),
    (
        "jun",
        "jUn4sY9",
        "Ubuntu Studio core member whose display name has markup, a turn of direction and kanji.",
        {
            "display_name": "<b>鈴木 純</b> & \u202e“Jun”\u202c <img src=x onerror=alert(1)>",
            "email": "jun@home.example.net",
            "time_zone": "Asia/Tokyo",
            "language": "ja",
        },
    ),
    (
        "kaia",
        "kAi8aD6",
        "Owner of the teams and member of all six: the one to make an admin.",
        {"display_name": "Kaia Thorn", "email": "kaia@post.example.com", "karma": 8200},
    ),
    (
        "lars",
        "lAr2sG3",
        "Tester: in the SMTP test team only.",
        {"display_name": "Lars Ohm", "email": "lars@home.example.net"},
    ),
    (
        "mina",
        "mIn5aV1",
        "Has an Ubuntu One account but none on Launchpad.",
        {"display_name": "Mina Fell", "email": "mina@post.example.com", "on_launchpad": False},
    ),
)


def demo_world(*, renamed: bool = True) -> World:
    """The six Ubuntu teams and fourteen people, each there for one case.

    With `renamed` False it is last week: `gail` has not yet become `gail-moss`, and `gail-newcomer` has
    not yet taken the name `gail`.
    """
    world = World()
    for number, (name, suffix, note, fields) in enumerate(_PEOPLE):
        created = _FIRST_DAY + number * timedelta(days=97, hours=5, microseconds=1234)
        values: dict[str, Any] = {"name": name, "suffixes": (suffix,), "note": note}
        world.add(Account(**(values | {"date_created": created} | fields)))
    _add_teams(world)
    if renamed:
        world.take_name("gail", moved_to="gail-moss", taker="gail-newcomer")
    return world


def _add_teams(world: World) -> None:
    uploaders = Team("demo-uploaders", "Demo Uploaders", _FIRST_DAY, owner="kaia")
    world.add_team(uploaders, members=["dora"])
    members = {
        "ubuntumembers": [
            *("ada", "bruno", "chidi", "fay+lab", "gail", "gail-newcomer", "kaia", "demo-uploaders")
        ],
        "kubuntu-members": ["ada", "kaia"],
        "lubuntu-members": ["gail", "kaia"],
        "edubuntu-members": ["ivo", "kaia"],
        "ubuntustudio-core": ["jun", "kaia"],
        "ubuntu-smtp-test": ["lars", "kaia"],
    }
    for name, display_name in UBUNTU_TEAMS.items():
        expired = ["emre"] if name == "ubuntumembers" else []
        team = Team(name, display_name, _FIRST_DAY, owner="kaia")
        world.add_team(team, members=members[name], expired=expired)


def roster_of(world: World, by_address: Collection[str] = ("hana", "ivo")) -> str:
    """The people of a world with an active account as a roster in TOML; some are known by their address."""
    tables = []
    for account in world.accounts():
        if account.on_launchpad and account.is_valid:
            who = ("email", account.email) if account.name in by_address else ("id", account.suffixes[0])
            fields = {
                **dict([who]),
                "name": account.name,
                "display_name": account.display_name,
                "teams": [team.name for team in world.super_teams(account.name)],
                "code_of_conduct": account.coc_signed,
            }
            # A JSON text, list or boolean is also one of TOML.
            lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()]
            tables.append("\n".join(["[[people]]", *lines]))
    return "\n\n".join(tables) + "\n"


def big_world(people: int, teams: int = 1) -> World:
    """`person000000` and so on, all of them in `team0`, every third one in one further team, too.

    100,000 people take about a second to make.
    """
    world = World()
    for number in range(people):
        world.add(
            Account(
                name=f"person{number:06d}",
                display_name=f"Person {number:06d}",
                suffixes=(f"P{number:06d}",),
                date_created=_FIRST_DAY + timedelta(minutes=number),
                email=f"person{number:06d}@home.example.net",
            )
        )
    for number in range(teams):
        step = 1 if number == 0 else 3 * (teams - 1)
        first = 0 if number == 0 else 3 * (number - 1)
        names = (f"person{one:06d}" for one in range(first, people, step))
        world.add_team(Team(f"team{number}", f"Team {number}", _FIRST_DAY), members=names)
    return world
