"""Where a sign-in leads: to the page one wanted, and never off this site (field report B37)."""

from urllib.parse import urlencode, urljoin, urlsplit

import pytest

from app import create_app
from app.navigation import safe_next
from devtools.accounts import Account
from tests.support.portal import Portal
from tests.support.webclient import Client

EVIL = [
    "////evil.example",
    "///evil.example",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/%09/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    "https:\\\\evil.example",
    "https:evil.example",
    "https://evil.example/home",
    "javascript:alert(1)",
    "data:text/html,x",
    "/%0d%0aSet-Cookie:x=1",
    "/home\r\nSet-Cookie: x=1",
    "/%2f%2fevil.example",
    "/%5cevil.example",
    "/home//evil.example",
    "/home/../../evil.example",
    "/./evil.example",
    "http://127.0.0.1.evil.example/",
    "http://127.0.0.1@evil.example/",
    "@evil.example",
    ".evil.example",
    " /home",
    "/home ",
    "home",
    "?x=1",
    "#x",
    "",
    "/nowhere",
    "/login",
    "/login?next=//evil.example",
    "/logout",
    "/login/ubuntu-one?state=x",
    "/static/built/app.css",
    "/home/rows",
    "/home/check",
    "/domains/ubuntu.com/claim",
    "/ok?next=//evil.example",
    "/hom\u0435",
    "/home\x00",
    "/home\u2028",
    "/addresses/1/",
    "/addresses/-1",
    "/addresses/x",
]
GOOD = [
    "/",
    "/home",
    "/home?tab=2",
    "/home?tab=2#a",
    "/addresses/7",
    "/addresses/7?next=//evil.example",
    "/recipients/verify/12.1796000000.abcdef0123456789abcdef0123456789",
]


@pytest.mark.parametrize("target", EVIL[::4])
def test_a_target_that_is_none_of_our_pages_leads_home(
    portal: Portal, client: Client, member: Account, target: str
) -> None:
    attempt = client.begin(target)

    back = client.bring(attempt, client.sign(attempt, member.name))

    assert (back.status, back.location) == (303, "/home")


@pytest.mark.parametrize("target", GOOD)
def test_a_page_of_ours_is_reached_with_its_query(
    portal: Portal, client: Client, member: Account, target: str
) -> None:
    attempt = client.begin(target)

    back = client.bring(attempt, client.sign(attempt, member.name))

    assert (back.status, back.location) == (303, target)
    assert urlsplit(urljoin(portal.url, back.location)).netloc == urlsplit(portal.url).netloc


def test_the_target_does_not_travel_through_the_provider(portal: Portal, client: Client) -> None:
    attempt = client.begin("/addresses/7?x=treasure")

    assert "treasure" not in str(attempt.asked)


def test_the_sign_in_page_carries_only_good_targets(portal: Portal, client: Client) -> None:
    for target in [*EVIL, *GOOD]:
        page = client.get(f"/login?{urlencode({'next': target})}").page

        carried = [field["value"] for field in page.all("input", name="next")]
        assert carried == ([target] if target in GOOD else [])


def test_whoever_is_signed_in_is_not_sent_away(portal: Portal, client: Client, member: Account) -> None:
    client.sign_in(member.name)

    for target in [*EVIL, *GOOD]:
        answer = client.get(f"/login?{urlencode({'next': target})}")

        assert (answer.status, answer.location) == (302, target if target in GOOD else "/home")


@pytest.mark.parametrize("path", ["/home", "/addresses/7?x=1", "/recipients/verify/1.2.c"])
def test_a_page_that_needs_a_sign_in_is_come_back_to(
    portal: Portal, client: Client, member: Account, path: str
) -> None:
    asked = client.get(path)
    assert asked.status == 303
    page = client.get(asked.location)
    target = page.page.one("input", name="next")["value"]
    attempt = client.begin(target)

    assert client.bring(attempt, client.sign(attempt, member.name)).location == path


def test_a_query_of_our_own_cannot_smuggle_another_target(portal: Portal, client: Client) -> None:
    asked = client.get("/home?a=1&next=//evil.example&b=%2F%2Fevil.example")

    assert urlsplit(asked.location).path == "/login"
    assert urlsplit(asked.location).netloc == ""


@pytest.mark.parametrize(
    ("page", "targets"),
    [
        ("{portal}/home?x=1", ["/home?x=1"]),
        ("{portal}/addresses/7", ["/addresses/7"]),
        ("http://evil.example/home", []),
        ("//evil.example", []),
        ("http://[", []),
        ("javascript:alert(1)", []),
        ("{portal}//evil.example", []),
        ("{portal}@evil.example/home", []),
        ("", []),
    ],
)
def test_an_htmx_call_is_sent_back_to_its_own_page_only(
    portal: Portal, client: Client, page: str, targets: list[str]
) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": page.format(portal=portal.url)}

    answer = client.get("/home/rows", **headers)

    assert answer.status == 401
    sent_to = urlsplit(answer.header("HX-Redirect"))
    assert (sent_to.scheme, sent_to.netloc, sent_to.path) == ("", "", "/login")
    fields = client.get(answer.header("HX-Redirect")).page.all("input", name="next")
    assert [field["value"] for field in fields] == targets


def test_no_page_that_needs_a_sign_in_is_forgotten(portal: Portal) -> None:
    """Whatever GET page comes later must be one to come back to, or a part of one."""
    app = create_app(portal.settings)
    parts = {"portal.rows", "auth.answer", "auth.oidc_answer", "auth.sign_in", "static", "public.theme_file"}
    with app.app_context():
        for rule in app.url_map.iter_rules():
            if "GET" not in (rule.methods or ()) or rule.endpoint in parts:
                continue
            values = dict.fromkeys(rule.arguments, 7)
            with app.test_request_context():
                address = app.url_for(rule.endpoint, **values)
            assert safe_next(address) == address, rule.endpoint
