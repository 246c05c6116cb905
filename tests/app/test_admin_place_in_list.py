"""What an admin does to a row of a long list leaves them where they were in it."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core.database import connection, utc_now
from core.models import Person, ReservedName
from core.roles import Role
from core.settings import Settings
from tests.app.inside import app_over, browser_of
from tests.support.arrange import make_admin
from tests.support.page import Element, read_page

NAMES = 120


@pytest.fixture
def app(settings_of_all_tests: Settings, sqlite_url: str, tmp_path: Path) -> Flask:
    """A portal over a database with three pages of names that are kept back."""
    app = app_over(sqlite_url, tmp_path, settings_of_all_tests)
    with connection():
        make_admin(utc_now(), "boss", Role.PROJECT_ADMIN)
        ReservedName.insert_many([{"local_part": f"kept{n}"} for n in range(NAMES)]).execute()
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """The admin's browser."""
    with connection():
        return browser_of(app, Person.get(Person.launchpad_name == "boss"), utc_now())


def get(client: FlaskClient, path: str) -> Element:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return read_page(answer.get_data(as_text=True))


def press(client: FlaskClient, page: Element, path: str, number: int, opened: str | None) -> Element:
    """Let the row of a page go that has this number; with HTMX where the open page is given."""
    form = page.one("tbody").all("form")[number]
    headers = {} if opened is None else {"HX-Request": "true", "HX-Current-URL": opened}
    fields = {"csrf_token": page.all("input", name="csrf_token")[0]["value"]}
    answer = client.post(form["action"], data=fields, headers={"Referer": path, **headers})
    assert answer.status_code == (303 if opened is None else 200)
    return read_page(answer.get_data(as_text=True))


def names_on(page: Element) -> list[str]:
    return [row.all("td")[0].text for row in page.one("tbody").all("tr")]


def test_htmx_shows_the_same_page_of_the_list_again(
    client: FlaskClient, settings_of_all_tests: Settings
) -> None:
    second = get(client, "/admin/names").one("a", rel="next")["href"]
    page = get(client, second)
    before = names_on(page)

    part = press(client, page, second, 3, f"{settings_of_all_tests.public_url}{second}")

    assert names_on(part)[: len(before) - 1] == [*before[:3], *before[4:]]
    last = get(client, part.one("a", rel="next")["href"])
    assert urlsplit(part.one("a", rel="next")["href"]).path == "/admin/names"
    assert len(names_on(part)) + len(names_on(last)) == NAMES - 50 - 1


@pytest.mark.parametrize(
    "opened", ["", "https://elsewhere.example/admin/names?after=3", "/admin/audit?after=3"]
)
def test_where_the_open_page_is_not_known_the_list_begins_anew(
    client: FlaskClient, settings_of_all_tests: Settings, opened: str
) -> None:
    page = get(client, "/admin/names")
    own = settings_of_all_tests.public_url if opened.startswith("/") else ""

    part = press(client, page, "/admin/names", 0, own + opened)

    assert names_on(part)[:49] == names_on(page)[1:]
    assert get(client, part.one("a", rel="next")["href"]).one("tbody").all("tr")
