"""Error pages: what happened and what to do next, whole or as a part, and never a word too much."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from flask import Flask, abort
from flask.testing import FlaskClient
from flask_login import current_user
from peewee import DataError, OperationalError
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from werkzeug.exceptions import RequestEntityTooLarge, TooManyRequests
from werkzeug.test import TestResponse

from app import create_app
from core.database import connection, utc_now, write
from core.ownership import NotYours
from core.sessions import open_session
from devtools.servers import PretendServers
from tests.app.conftest import fill_database, portal_settings
from tests.app.test_language import english_in
from tests.support.arrange import make_person, make_recipient
from tests.support.page import faults_of, read_page

SECRET = "hidden-mailbox@home.example.net"
STATUSES = {
    400: "This did not work",
    403: "You cannot do this",
    404: "There is no such page",
    405: "This did not work",
    413: "That was too long",
    429: "That was too often",
    500: "Something is broken here",
    503: "Busy just now",
}


class Broken(Exception):
    """What nobody thought of."""


FAULTS = {
    "broken": (Broken(SECRET), 500),
    "database": (OperationalError(f"could not connect as {SECRET}"), 503),
    "value": (DataError(f"bad value {SECRET}"), 400),
    "not-yours": (NotYours(SECRET), 404),
    "long": (RequestEntityTooLarge(SECRET), 413),
}


@pytest.fixture
def site(outside: PretendServers, tmp_path: Path) -> Iterator[FlaskClient]:
    """A portal in this process, with addresses at which something goes wrong."""
    settings = portal_settings(
        outside,
        f"sqlite:///{tmp_path}/waypost.db",
        tmp_path,
        contact_mail="help@example.org",
        contact_matrix="#addresses:example.org",
    )
    fill_database(settings)
    app = create_app(settings)
    _add_faults(app)
    yield app.test_client()
    structlog.reset_defaults()


def _add_faults(app: Flask) -> None:
    @app.get("/fails/<int:status>")
    def fails(status: int) -> str:
        abort(status, description=SECRET)

    @app.get("/raises/<name>")
    def raises(name: str) -> str:
        assert current_user.is_authenticated in (True, False)  # every page of the portal asks who is there
        raise FAULTS[name][0]

    @app.get("/too-often")
    def too_often() -> str:
        raise TooManyRequests(retry_after=90)


def get(site: FlaskClient, path: str, on: str = "") -> TestResponse:
    """Load a page; `on` makes it an HTMX call from that page."""
    url = f"{site.application.extensions['waypost_settings'].public_url}{on}"
    return site.get(path, headers={"HX-Request": "true", "HX-Current-URL": url} if on else {})


@pytest.mark.parametrize("status", STATUSES)
def test_a_whole_page_says_what_happened_and_how_to_go_on(site: FlaskClient, status: int) -> None:
    answer = get(site, f"/fails/{status}")

    page = read_page(answer.text)
    assert answer.status_code == status
    assert faults_of(page) == []
    assert page.one("h1").text == STATUSES[status]
    main = page.one("main")
    assert len(main.one(role="alert").all("p")[0].text) > 30
    assert {"/", "/help"} <= {one["href"] for one in main.all("a")}
    assert SECRET not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("status", STATUSES)
def test_htmx_gets_a_part_that_is_announced_and_takes_the_focus(site: FlaskClient, status: int) -> None:
    answer = get(site, f"/fails/{status}", on="/home")

    part = read_page(answer.text)
    assert answer.status_code == status
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reswap"]) == ("#main", "innerHTML")
    assert part.all("html") == part.all("main") == part.all("header") == []
    heading = part.one(role="alert").one("h1")
    assert heading.text == STATUSES[status]
    assert heading.get("autofocus") is not None
    assert heading.get("tabindex") == "-1"
    assert SECRET not in answer.text


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_an_error_is_told_in_japanese(site: FlaskClient, status: int, htmx: bool) -> None:
    headers = {"Accept-Language": "ja"} | ({"HX-Request": "true"} if htmx else {})
    page = read_page(site.get(f"/fails/{status}", headers=headers).text)

    assert english_in(page) == set()
    assert len(page.one(role="alert").text) > 30


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("on", ["", "/home"], ids=["plain", "htmx"])
def test_whatever_goes_wrong_no_word_of_it_gets_out(site: FlaskClient, name: str, on: str) -> None:
    """Neither to the visitor nor into the log."""
    with capture_logs() as entries:
        answer = get(site, f"/raises/{name}", on)
    logged = str(entries)

    assert answer.status_code == FAULTS[name][1]
    assert read_page(answer.text).one("h1").text == STATUSES[answer.status_code]
    assert ("unexpected error" in logged) is (name == "broken")
    for told in (answer.text, str(answer.headers), logged):
        assert SECRET not in told
        assert "Traceback" not in told


@pytest.mark.parametrize("name", ["broken", "database"])
def test_the_log_names_whom_it_went_wrong_for_and_nobody_else(site: FlaskClient, name: str) -> None:
    with connection():
        person = make_person(utc_now())
        make_recipient(person, utc_now(), SECRET)
        with write():
            token = open_session(person, utc_now())
    with site.session_transaction() as cookie:
        cookie["_user_id"] = token
    with capture_logs([merge_contextvars]) as entries:
        get(site, f"/raises/{name}", "")
        with site.session_transaction() as cookie:
            cookie.clear()
        get(site, f"/raises/{name}", "")

    first, second = entries
    assert (first["person"], first["launchpad_name"]) == (person.id, "ada")
    assert "person" not in second
    assert SECRET not in str(entries)


@pytest.mark.parametrize(
    ("status", "again"), [(429, True), (500, True), (503, True), (403, False), (404, False)]
)
def test_what_may_pass_by_itself_offers_to_try_again(site: FlaskClient, status: int, again: bool) -> None:
    """By HTMX the page to try again is the one that is open, not its part."""
    part = read_page(get(site, f"/fails/{status}", on="/home").text)

    assert ([one["href"] for one in part.all("a") if one.text == "Try again"] == ["/home"]) is again


def test_only_pages_of_ours_are_offered_again(site: FlaskClient) -> None:
    """An address that is no page, or that was made up, is not written into a link."""
    for path in ("/fails/503", "/fails/503?next=https://evil.example/"):
        page = read_page(get(site, path).text)
        assert [one for one in page.all("a") if one.text == "Try again"] == []


@pytest.mark.parametrize(("status", "told"), [(500, True), (503, True), (404, False), (403, False)])
def test_when_it_is_our_fault_the_page_says_whom_to_tell(site: FlaskClient, status: int, told: bool) -> None:
    main = read_page(get(site, f"/fails/{status}").text).one("main")

    shown = {one["href"] for one in main.all("a")}
    assert ({"mailto:help@example.org", "https://matrix.to/#/%23addresses%3Aexample.org"} <= shown) is told


def test_too_often_says_when_to_come_back(site: FlaskClient) -> None:
    answer = get(site, "/too-often")

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "90")


def test_a_wrong_method_names_the_right_ones(site: FlaskClient) -> None:
    """RFC 9110 §15.5.6."""
    answer = get(site, "/logout")

    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


def test_a_status_without_words_of_its_own_has_a_page(site: FlaskClient) -> None:
    assert "This did not work" in get(site, "/fails/418").text
    assert "Something is broken here" in get(site, "/fails/502").text
