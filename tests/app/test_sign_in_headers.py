"""Cookies and headers: strict behind an https address, workable on loopback, on every answer."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import structlog
from flask.testing import FlaskClient

from app import create_app
from core.settings import Settings
from devtools.accounts import Account
from devtools.servers import PretendServers
from tests.app.conftest import fill_database, portal_settings
from tests.support.portal import Portal
from tests.support.webclient import Answer, Client

SITE = "https://portal.example.org"


@pytest.fixture
def https_settings(outside: PretendServers, tmp_path: Path) -> Iterator[Settings]:
    settings = portal_settings(outside, f"sqlite:///{tmp_path}/waypost.db", tmp_path, public_url=SITE)
    fill_database(settings)
    yield settings
    structlog.reset_defaults()


@pytest.fixture
def browser(https_settings: Settings) -> FlaskClient:
    """A browser at a portal behind an https address."""
    return create_app(https_settings).test_client()


def token_in(html: str) -> str:
    """Return the form token of a page."""
    return html.partition('name="csrf_token" value="')[2].partition('"')[0]


def set_cookies(headers: list[str]) -> dict[str, tuple[str, set[str]]]:
    """Read Set-Cookie lines: value and attributes, by name."""
    found = {}
    for line in headers:
        first, *rest = line.split("; ")
        name, _, value = first.partition("=")
        found[name] = (value, set(rest))
    return found


def test_cookies_behind_https_are_for_this_host_and_for_https_alone(
    browser: FlaskClient, outside: PretendServers, member: Account
) -> None:
    seen: dict[str, tuple[str, set[str]]] = {}
    front = browser.get("/", base_url=SITE)
    seen |= set_cookies(front.headers.getlist("Set-Cookie"))
    begun = browser.post(
        "/login", base_url=SITE, data={"csrf_token": token_in(front.text)}, headers={"Referer": f"{SITE}/"}
    )
    seen |= set_cookies(begun.headers.getlist("Set-Cookie"))
    asked = dict(parse_qsl(urlsplit(begun.headers["Location"]).query))
    assert asked["openid.return_to"].startswith(f"{SITE}/login/ubuntu-one?")
    assert asked["openid.realm"] == f"{SITE}/"
    fields = outside.ubuntu_one.signed_answer(asked, member.name)
    arguments = dict(parse_qsl(urlsplit(asked["openid.return_to"]).query)) | fields

    back = browser.get("/login/ubuntu-one", base_url=SITE, query_string=arguments)
    after = set_cookies(back.headers.getlist("Set-Cookie"))
    home = browser.get("/home", base_url=SITE)

    assert (back.status_code, home.status_code) == (303, 200)
    assert set(seen) == set(after) == {"__Host-waypost", "__Host-waypost-signin"}
    for _, attributes in [*seen.values(), *after.values()]:
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= attributes
        assert not any(one.startswith("Domain") for one in attributes)
    assert after["__Host-waypost-signin"][0] == ""  # used, so taken away


def test_answers_behind_https_ask_for_https(browser: FlaskClient) -> None:
    for path in ("/", "/login", "/home", "/nowhere", "/static/built/app.css"):
        answer = browser.get(path, base_url=SITE)
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")


def test_cookies_on_loopback_work_without_https(portal: Portal, client: Client, member: Account) -> None:
    attempt = client.begin()
    back = client.bring(attempt, client.sign(attempt, member.name))

    cookies = set_cookies(back.response.headers.get_list("Set-Cookie"))
    assert set(cookies) == {"waypost", "waypost-signin"}
    for _, attributes in cookies.values():
        assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= attributes
        assert "Secure" not in attributes
    assert "Strict-Transport-Security" not in back.response.headers
    assert client.is_signed_in


def every_answer(client: Client, member: Account) -> Iterator[tuple[str, Answer]]:
    """Bring about answers of all kinds: pages, parts, redirects and errors."""
    attempt = client.begin()
    yield "front page", client.get("/")
    yield "sign-in page", client.get("/login")
    yield "not signed in", client.get("/home")
    yield "not signed in, HTMX", client.get("/home/rows", on="/home")
    yield "refused answer", client.get("/login/ubuntu-one?state=x")
    yield "posted answer", client.post_back(attempt, {"openid.mode": "cancel"})
    yield "too long", client.post_back(attempt, {"x": "y" * 300_000})
    yield "no token", Answer(client.http.post("/login"))
    yield "404", client.get("/nowhere")
    yield "405", client.get("/logout")
    yield "signed in", client.bring(attempt, client.sign(attempt, member.name))
    client.forget_token()
    yield "home", client.get("/home")
    yield "rows", client.get("/home/rows", on="/home")
    yield "claim refused", client.post("/domains/kubuntu.org/claim")
    yield "no domain", client.post("/domains/nowhere.example/claim")
    yield "claimed", client.post("/domains/ubuntu.com/claim", on="/home")
    yield "no address", client.get("/addresses/999999")
    yield "a broken link", client.get("/recipients/verify/x")
    yield "sign out", client.post("/logout")


def test_every_answer_has_the_headers(
    portal: Portal, client: Client, outside: PretendServers, member: Account
) -> None:
    provider = outside.ubuntu_one.url.rstrip("/")
    for what, answer in every_answer(client, member):
        policy = {
            part.split()[0]: part.split()[1:] for part in answer.header("Content-Security-Policy").split("; ")
        }
        assert policy == {
            "default-src": ["'self'"],
            "img-src": ["'self'", "data:"],
            "form-action": ["'self'", provider],
            "frame-ancestors": ["'none'"],
            "base-uri": ["'none'"],
        }, what
        assert answer.header("X-Content-Type-Options") == "nosniff", what
        assert answer.header("Referrer-Policy") in ("no-referrer", "same-origin"), what
        assert answer.header("Cache-Control") == "no-store", what
        assert "HX-Request" in answer.header("Vary"), what
        assert answer.header("Content-Type").startswith("text/html"), what


def test_files_are_cached_for_good_under_an_address_that_changes(portal: Portal, client: Client) -> None:
    page = client.get("/").page
    links = [one["href"] for one in page.all("link")] + [one["src"] for one in page.all("script")]
    links += [one["src"] for one in page.all("img")]

    assert len(links) >= 3
    for link in links:
        assert link.startswith("/static/")
        assert "?v=" in link
        answer = client.get(link)
        assert answer.status == 200
        assert "max-age=31536000" in answer.header("Cache-Control")
        assert answer.header("X-Content-Type-Options") == "nosniff"
        assert answer.header("Content-Security-Policy")
        assert "Set-Cookie" not in answer.response.headers


def test_pages_load_nothing_from_elsewhere(portal: Portal, client: Client, member: Account) -> None:
    css = client.get("/static/built/app.css").html
    assert "http://" not in css.replace("http://www.w3.org", "")
    assert "https://" not in css
    for path in ("/", "/login", "/nowhere"):
        page = client.get(path).page
        for one in page.elements():
            for name in ("src", "action", "srcset", "poster", "data"):
                assert not (one.get(name) or "").startswith(("http:", "https:", "//")), one


@pytest.mark.parametrize("path", ["/static/../wsgi.py", "/static/%2e%2e/settings.py", "/static/"])
def test_only_our_files_are_served(portal: Portal, client: Client, path: str) -> None:
    answer = client.get(path)

    assert answer.status == 404
    assert answer.header("Content-Security-Policy")
