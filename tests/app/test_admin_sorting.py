"""The admins' lists are sorted by time, either way: by a link, and by HTMX in place."""

from datetime import datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.audit import OPERATOR
from core.database import connection, utc_now, write
from core.models import Domain, ImportRun, Notice, Person, Recipient
from core.role_addresses import make
from core.roles import Role
from core.settings import Settings
from tests.app.inside import app_over, browser_of
from tests.support.arrange import later, make_admin, make_domain, make_kept, make_member, make_waiver
from tests.support.page import Element, read_page

LISTS = {
    "people": "found",
    "waivers?state=all": "found",
    "audit": "found",
    "imports": "imports",
    "waiting": "found",
    "failing": "found",
    "jobs": "jobs",
    "role-addresses": "role-addresses",
}
"""Each with the id of what HTMX swaps."""


@pytest.fixture
def app(settings_of_all_tests: Settings, sqlite_url: str, tmp_path: Path) -> Flask:
    """A portal over a database with two rows in each list."""
    app = app_over(sqlite_url, tmp_path, settings_of_all_tests)
    with connection():
        _fill(utc_now())
    return app


def _fill(now: datetime) -> None:
    domain = make_domain(later(now, hours=-20))
    make_admin(later(now, hours=-20), "boss", Role.PROJECT_ADMIN)
    for number, name in enumerate(("ada", "bea"), start=1):
        moment = later(now, hours=number - 10)
        member = make_member(moment, name)
        make_waiver(member, domain, moment)
        make_kept(domain, moment, f"kept-{name}", f"kept-{name}", f"{name}@old.example.net")
        _fill_for(member, domain, moment)


def _fill_for(member: Person, domain: Domain, moment: datetime) -> None:
    name = str(member.launchpad_name)
    make(OPERATOR, domain, f"team-{name}", [member.id], moment)
    with write():
        ImportRun.create(made_at=moment, listed_at=moment, state="done")
        Notice.create(
            kind="address-created", unique_key=name, made_at=moment, due_at=moment, failed_with="5.1.1"
        )
        Recipient.update(failing_since=moment).where(Recipient.person == member).execute()


def get(client: FlaskClient, path: str, htmx: bool) -> Element:
    answer = client.get(path, headers={"HX-Request": "true"} if htmx else {})
    assert answer.status_code == 200, path
    return read_page(answer.get_data(as_text=True))


@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
@pytest.mark.parametrize("path", LISTS)
def test_a_press_on_the_time_turns_a_list_round(app: Flask, path: str, htmx: bool) -> None:
    with connection():
        client = browser_of(app, Person.get(Person.launchpad_name == "boss"), utc_now())
    address, rows, orders = f"/admin/{path}", [], []
    for _ in range(2):
        part = get(client, address, htmx).one(id=LISTS[path])
        (table,) = [one for one in part.all("table") if one.all("a", id="sort")]
        (heading,) = [one for one in table.all("th") if one.get("aria-sort")]
        orders.append(heading["aria-sort"])
        rows.append([row.text for row in table.one("tbody").all("tr")])
        address = heading.one("a")["href"]
        assert heading.one("a")["hx-target"] == f"#{LISTS[path]}"

    assert sorted(orders) == ["ascending", "descending"]
    assert len(rows[0]) > 1
    assert rows[0] == rows[1][::-1]
