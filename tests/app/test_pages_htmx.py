"""HTMX calls when something is in the way: the session is gone, the form is old, the page is not there."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from devtools.accounts import Account
from tests.app.owner import Owner
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Answer, Client

CALLS = {
    "/home/rows": ("GET", "/home"),
    "/home/check": ("POST", "/home"),
    "/domains/ubuntu.com/claim": ("POST", "/home"),
    "/domains/ubuntu.com/check": ("POST", "/home"),
    "{own}/recipients": ("POST", "{own}"),
    "{own}/recipients/1/remove": ("POST", "{own}"),
    "{own}/recipients/1/move": ("POST", "{own}"),
    "{own}/recipients/1/replace": ("POST", "{own}"),
    "{own}/order": ("POST", "{own}"),
    "{own}/sub-addresses": ("POST", "{own}"),
    "{own}/label": ("POST", "{own}"),
    "{own}/test": ("POST", "{own}"),
    "{own}/test/x": ("GET", "{own}"),
    "{own}/switch": ("POST", "{own}"),
    "{own}/give-up": ("POST", "{own}"),
    "{own}/recipients/1/resend": ("POST", "{own}"),
    "/account/notices": ("POST", "/account"),
    "/account/language": ("POST", "/account"),
    "/account/sessions/1/end": ("POST", "/account"),
    "/account/sessions/end": ("POST", "/account"),
    "/account/delete": ("POST", "/account/delete"),
    "/waivers": ("POST", "/waivers/new"),
    "/waivers/1/withdraw": ("POST", "/waivers"),
}


def call(owner: Owner, path: str, token: str) -> Answer:
    """Make the call of one of the pages as htmx does."""
    method, page = CALLS[path]
    path, page = path.format(own=owner.path), page.format(own=owner.path)
    headers = {"HX-Request": "true", "HX-Current-URL": owner.client.url + page}
    data = {"csrf_token": token} if method == "POST" else None
    return Answer(owner.client.http.request(method, path, data=data, headers=headers))


def assert_sent_to_sign_in(answer: Answer, page: str) -> None:
    """Hold that the whole browser goes to the sign-in page, and back to the page afterwards."""
    assert answer.status == 401
    assert answer.html == ""
    target = urlsplit(answer.header("HX-Redirect"))
    assert (target.netloc, target.path) == ("", "/login")
    assert parse_qs(target.query)["next"] == [page]


@pytest.mark.parametrize("path", CALLS)
def test_a_session_that_ended_leads_to_the_sign_in_page_and_back(
    portal: Portal, owner: Owner, new_client: Callable[[], Client], path: str, member: Account
) -> None:
    """Ended elsewhere: the cookie is still there."""
    from core.sessions import end_all_sessions

    token = owner.client.token()
    end_all_sessions(owner.person)

    with nothing_created():
        answer = call(owner, path, token)

    page = CALLS[path][1].format(own=owner.path)
    assert_sent_to_sign_in(answer, page)
    owner.client.forget_token()
    sign_in = owner.client.get(answer.header("HX-Redirect"))
    target = sign_in.page.one("input", name="next")["value"]
    back = owner.client.sign_in(member.name, next_page=target)
    assert (back.status, urlsplit(str(back.response.url)).path) == (200, page)


@pytest.mark.parametrize("path", CALLS)
def test_signed_out_in_another_tab_is_the_same(portal: Portal, owner: Owner, path: str) -> None:
    """The cookie is gone, and with it what the form's token was held against."""
    token = owner.client.token()
    owner.client.post("/logout")
    assert owner.client.cookies == {}

    with nothing_created():
        answer = call(owner, path, token)

    assert_sent_to_sign_in(answer, CALLS[path][1].format(own=owner.path))


@pytest.mark.parametrize("path", [path for path in CALLS if CALLS[path][0] == "POST"])
def test_an_old_form_gets_a_message_in_place_of_the_content(portal: Portal, owner: Owner, path: str) -> None:
    with nothing_created():
        answer = call(owner, path, "x")

    assert answer.status == 400
    assert_message(answer, "This form is out of date")


def assert_message(answer: Answer, words: str) -> None:
    """Hold that htmx puts a part into the page's content, and no page into a page."""
    assert not answer.is_whole_page
    assert answer.header("HX-Retarget") == "#main"
    assert answer.header("HX-Reswap") == "innerHTML"
    assert answer.page.one(role="alert").one("h1").text == words
    assert answer.page.all("header") == answer.page.all("main") == answer.page.all("footer") == []


@pytest.mark.parametrize("path", ["/addresses/999999/switch", "/domains/nowhere.example/claim"])
def test_what_is_not_there_gets_a_message(portal: Portal, owner: Owner, path: str) -> None:
    answer = owner.client.post(path, {"to": "on"}, on="/home")

    assert answer.status == 404
    assert_message(answer, "There is no such page")


def test_what_is_too_long_gets_a_message(portal: Portal, owner: Owner) -> None:
    answer = owner.client.post(f"{owner.path}/recipients", {"recipient": "x" * 300_000}, on=owner.path)

    assert answer.status == 413
    assert_message(answer, "That was too long")


def test_the_same_address_gives_page_and_part_and_says_so_to_caches(portal: Portal, owner: Owner) -> None:
    page, part = owner.client.get("/home"), owner.client.get("/home/rows", on="/home")

    assert page.is_whole_page
    assert not part.is_whole_page
    assert "HX-Request" in page.header("Vary")
    assert "HX-Request" in part.header("Vary")


def test_the_rows_alone_are_a_page_for_those_without_htmx(portal: Portal, owner: Owner) -> None:
    assert owner.client.get("/home/rows").is_whole_page


def test_the_page_switches_off_what_the_policy_forbids(portal: Portal, client: Client) -> None:
    import json

    settings = json.loads(client.get("/").page.one("meta", name="htmx-config")["content"])

    assert settings["allowEval"] is False
    assert settings["includeIndicatorStyles"] is False
    assert settings["defaultSettleDelay"] == 0  # else a press meanwhile finds the focus moved, or no HTMX yet
    assert settings["historyCacheSize"] == 0  # else pages stay in the browser's storage after sign-out
