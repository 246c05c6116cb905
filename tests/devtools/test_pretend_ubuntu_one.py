"""The pretend Ubuntu One satisfies python3-openid's own consumer, and can be made to lie."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from html import escape, unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from openid.consumer.consumer import CANCEL, FAILURE, SETUP_NEEDED, SUCCESS, Consumer
from openid.extension import Extension
from openid.extensions import ax, sreg
from openid.extensions.draft import pape5 as pape
from openid.store.memstore import MemoryStore

from devtools.openid_answers import ACCOUNT_VERIFIED, TEAMS_NS
from devtools.ubuntu_one import PretendUbuntuOne
from devtools.world import World

REALM = "http://127.0.0.1:9/"
RETURN_TO = "http://127.0.0.1:9/sign-in/answer?state=abc"


class Site:
    """A relying party made of python3-openid's consumer; without a store it is stateless."""

    def __init__(self, provider: PretendUbuntuOne, store: MemoryStore | None = None) -> None:
        self._consumer = Consumer({}, store)
        self._provider = provider
        self.return_to = RETURN_TO

    def begin(self, *extensions: Extension, immediate: bool = False) -> dict[str, str]:
        """The fields of a request, as they go to the provider."""
        request: Any = self._consumer.begin(self._provider.url)
        for extension in extensions:
            request.addExtension(extension)
        fields = dict(request.getMessage(REALM, RETURN_TO, immediate=immediate).toPostArgs())
        self.return_to = fields["openid.return_to"]  # the library adds a nonce of its own
        return fields

    def complete(self, fields: Mapping[str, str]) -> Any:
        """What the consumer makes of an answer."""
        arguments = dict(parse_qsl(urlsplit(self.return_to).query)) | dict(fields)
        return self._consumer.complete(arguments, self.return_to)


class TeamsRequest(Extension):
    ns_uri, ns_alias = TEAMS_NS, "lp"

    def getExtensionArgs(self) -> dict[str, str]:
        return {"query_membership": "ubuntumembers,kubuntu-members,lubuntu-members"}


def everything() -> tuple[Extension, ...]:
    attributes = ax.FetchRequest()
    attributes.add(ax.AttrInfo(ACCOUNT_VERIFIED, alias="account_verified", required=True))
    wanted = sreg.SRegRequest(required=["nickname", "email"], optional=["fullname", "language"])
    return wanted, attributes, TeamsRequest()


@pytest.fixture
def site(ubuntu_one: PretendUbuntuOne) -> Site:
    return Site(ubuntu_one)


@pytest.fixture
def browser(ubuntu_one: PretendUbuntuOne) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=ubuntu_one.url, timeout=5) as client:
        yield client


def press(browser: httpx.Client, page: httpx.Response, **buttons: Any) -> httpx.Response:
    """Sends the sign-in page's form."""
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text)
    fields = {unescape(name): unescape(value) for name, value in hidden}
    return browser.post("+decide", data=fields | buttons)


def fields_of(answer: httpx.Response) -> dict[str, str]:
    """The answer's fields in a redirect or in a form."""
    if answer.status_code == 302:
        arguments = dict(parse_qsl(urlsplit(answer.headers["location"]).query, keep_blank_values=True))
        assert arguments["state"] == "abc"
        return {name: value for name, value in arguments.items() if name.startswith("openid.")}
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.text)
    return {unescape(name): unescape(value) for name, value in hidden}


def test_the_root_is_an_xrds_or_a_page(browser: httpx.Client, ubuntu_one: PretendUbuntuOne) -> None:
    document = browser.get("", headers={"Accept": "application/xrds+xml"})
    assert document.headers["content-type"] == "application/xrds+xml"
    assert "<Type>http://specs.openid.net/auth/2.0/server</Type>" in document.text
    assert f"<URI>{ubuntu_one.endpoint}</URI>" in document.text
    assert browser.get("").headers["content-type"].startswith("text/html")
    assert ubuntu_one.url.startswith("http://localhost:")


def test_an_identity_points_to_its_xrds(browser: httpx.Client, ubuntu_one: PretendUbuntuOne) -> None:
    page = browser.get("+id/aDa7xQ2")
    assert page.headers["x-xrds-location"] == f"{ubuntu_one.claimed_id('ada')}/+xrds"
    document = browser.get(page.headers["x-xrds-location"])
    assert "<Type>http://specs.openid.net/auth/2.0/signon</Type>" in document.text


def test_unknown_suspended_and_closed_identities_are_not_found(browser: httpx.Client, world: World) -> None:
    world.suspend("ada")
    world.close("lars")
    for suffix in ("nobody1", "aDa7xQ2", "lAr2sG3", "ADA7XQ2"):
        assert browser.get(f"+id/{suffix}").status_code == 404
        assert browser.get(f"+id/{suffix}/+xrds").status_code == 404
    assert browser.get("+id/cHi8dW3").status_code == 200  # suspended on Launchpad only


@pytest.mark.parametrize("store", [None, MemoryStore()], ids=["stateless", "associated"])
@pytest.mark.parametrize("force_post", [False, True], ids=["get", "post"])
def test_a_person_signs_in_through_the_page(
    ubuntu_one: PretendUbuntuOne, browser: httpx.Client, store: MemoryStore | None, force_post: bool
) -> None:
    ubuntu_one.force_post = force_post
    site = Site(ubuntu_one, store)

    page = browser.get("+openid", params=site.begin(*everything()))
    answer = press(browser, page, person="ada", share=["nickname", "email", "fullname", "teams"])
    result = site.complete(fields_of(answer))

    assert answer.status_code == (200 if force_post else 302)
    assert result.status == SUCCESS
    assert result.identity_url == ubuntu_one.claimed_id("ada")
    assert dict(sreg.SRegResponse.fromSuccessResponse(result)) == {
        "nickname": "ada",
        "email": "ada@home.example.net",
        "fullname": "Ada Bell",
        "language": "en",
    }
    assert result.getSignedNS(TEAMS_NS) == {"is_member": "ubuntumembers,kubuntu-members"}
    assert ax.FetchResponse.fromSuccessResponse(result).getSingle(ACCOUNT_VERIFIED) == "token_via_email"


def test_the_page_shows_everybody_and_runs_nothing(browser: httpx.Client, site: Site, world: World) -> None:
    page = browser.get("+openid", params=site.begin(*everything()))

    assert REALM in page.text
    for account in world.accounts():
        assert f'name="person" value="{account.name}"' in page.text
        assert account.note in unescape(page.text)
    assert "<script" not in page.text
    assert "<img" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.text.count('type="checkbox"') == 4


def test_the_request_may_come_by_post(browser: httpx.Client, site: Site) -> None:
    page = browser.post("+openid", data=site.begin())
    assert site.complete(fields_of(press(browser, page, person="hana"))).status == SUCCESS


def test_a_form_answer_submits_itself_and_has_a_button(
    browser: httpx.Client, ubuntu_one: PretendUbuntuOne, site: Site
) -> None:
    ubuntu_one.force_post = True
    form = press(browser, browser.get("+openid", params=site.begin()), person="ada")
    assert f'<form method="post" action="{escape(site.return_to)}">' in form.text
    assert '<button type="submit">' in form.text
    assert '<script src="/submit.js"></script>' in form.text
    assert "submit()" in browser.get("submit.js").text


def test_a_long_answer_comes_as_a_form(browser: httpx.Client, world: World, site: Site) -> None:
    world.update("ada", display_name="鈴" * 200)
    page = browser.get("+openid", params=site.begin(*everything()))
    form = press(browser, page, person="ada", share=["fullname"])
    assert form.status_code == 200
    assert site.complete(fields_of(form)).status == SUCCESS


def test_unticked_fields_are_left_out(browser: httpx.Client, site: Site) -> None:
    page = browser.get("+openid", params=site.begin(*everything()))
    result = site.complete(fields_of(press(browser, page, person="ada", share=["fullname"])))
    given = dict(sreg.SRegResponse.fromSuccessResponse(result))
    assert given == {"fullname": "Ada Bell", "language": "en"}
    assert result.getSignedNS(TEAMS_NS) == {"is_member": ""}


def test_a_scripted_sign_in_shares_all_without_boxes(browser: httpx.Client, site: Site) -> None:
    request = site.begin(*everything())
    result = site.complete(fields_of(browser.post("+decide", data=request | {"person": "fay+lab"})))
    assert sreg.SRegResponse.fromSuccessResponse(result)["nickname"] == "fay+lab"


def test_cancelling_goes_back(browser: httpx.Client, site: Site) -> None:
    page = browser.get("+openid", params=site.begin())
    assert site.complete(fields_of(press(browser, page, cancel="yes"))).status == CANCEL


def test_choosing_nobody_or_a_suspended_account_stays_here(
    browser: httpx.Client, site: Site, world: World
) -> None:
    world.suspend("ada")
    page = browser.get("+openid", params=site.begin())
    assert press(browser, page, person="nobody").status_code == 400
    assert press(browser, page).status_code == 400
    assert press(browser, page, person="ada").status_code == 403


def test_an_unverified_address_is_said_to_be_so(ubuntu_one: PretendUbuntuOne, site: Site) -> None:
    result = site.complete(ubuntu_one.signed_answer(site.begin(*everything()), "ivo"))
    assert ax.FetchResponse.fromSuccessResponse(result).getSingle(ACCOUNT_VERIFIED) == "no"


def test_someone_without_launchpad_account_has_no_nickname(ubuntu_one: PretendUbuntuOne, site: Site) -> None:
    result = site.complete(ubuntu_one.signed_answer(site.begin(*everything()), "mina"))
    assert "nickname" not in dict(sreg.SRegResponse.fromSuccessResponse(result))


def test_indirect_members_are_members(ubuntu_one: PretendUbuntuOne, site: Site) -> None:
    result = site.complete(ubuntu_one.signed_answer(site.begin(*everything()), "dora"))
    assert result.getSignedNS(TEAMS_NS) == {"is_member": "ubuntumembers"}


def test_a_merged_account_has_two_buttons(
    browser: httpx.Client, ubuntu_one: PretendUbuntuOne, site: Site, world: World
) -> None:
    world.merge("lars", "hana")
    page = browser.get("+openid", params=site.begin())
    assert 'value="hana"' in page.text
    result = site.complete(fields_of(press(browser, page, person="hana/lAr2sG3")))
    assert result.identity_url == f"{ubuntu_one.identifier_prefix}lAr2sG3"


@pytest.mark.parametrize("store", [None, MemoryStore()], ids=["stateless", "associated"])
def test_a_replayed_answer_is_refused(ubuntu_one: PretendUbuntuOne, store: MemoryStore | None) -> None:
    site = Site(ubuntu_one, store)
    answer = ubuntu_one.signed_answer(site.begin(), "ada")
    assert site.complete(answer).status == SUCCESS
    assert site.complete(answer).status == FAILURE


def test_an_answer_is_confirmed_once(browser: httpx.Client, ubuntu_one: PretendUbuntuOne, site: Site) -> None:
    check = ubuntu_one.signed_answer(site.begin(), "ada") | {"openid.mode": "check_authentication"}
    assert "is_valid:true" in browser.post("+openid", data=check).text
    assert "is_valid:false" in browser.post("+openid", data=check).text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("openid.claimed_id", "{prefix}bRu4nK9"),
        ("openid.op_endpoint", "https://evil.example/+openid"),
        ("openid.sreg.nickname", "mark"),
        ("openid.lp.is_member", "ubuntumembers,lubuntu-members"),
        ("openid.return_to", "http://127.0.0.1:9/elsewhere"),
    ],
)
def test_a_field_changed_after_signing_is_noticed(
    ubuntu_one: PretendUbuntuOne, site: Site, field: str, value: str
) -> None:
    answer = ubuntu_one.signed_answer(site.begin(*everything()), "ada")
    value = value.format(prefix=ubuntu_one.identifier_prefix)
    assert site.complete(answer | {field: value}).status == FAILURE


def test_an_unsigned_field_can_be_added(ubuntu_one: PretendUbuntuOne, site: Site) -> None:
    answer = ubuntu_one.signed_answer(site.begin(*everything()), "ada", share=["email"])
    result = site.complete(answer | {"openid.sreg.nickname": "mark"})
    assert result.status == SUCCESS
    assert sreg.SRegResponse.fromSuccessResponse(result) is None  # one unsigned field spoils them all


def test_the_provider_itself_can_lie(ubuntu_one: PretendUbuntuOne, site: Site) -> None:
    def lie(fields: dict[str, str]) -> None:
        fields["openid.sreg.nickname"] = "mark"
        fields["openid.op_endpoint"] = "https://evil.example/+openid"

    request = site.begin(*everything())
    answer = ubuntu_one.signed_answer(request, "ada", tamper=lie)
    assert answer["openid.sreg.nickname"] == "mark"
    assert answer["openid.op_endpoint"] == "https://evil.example/+openid"
    assert "sreg.nickname" in answer["openid.signed"].split(",")
    check = answer | {"openid.mode": "check_authentication"}
    assert "is_valid:true" in httpx.post(ubuntu_one.endpoint, data=check).text


def test_hooks_bend_the_answers_of_the_page(
    browser: httpx.Client, ubuntu_one: PretendUbuntuOne, site: Site
) -> None:
    ubuntu_one.tamper = lambda fields: fields.update({"openid.sreg.email": "signed@evil.example"})
    ubuntu_one.answer_with = lambda fields: fields | {"openid.sreg.nickname": "mark"}
    page = browser.get("+openid", params=site.begin(*everything()))

    answer = fields_of(press(browser, page, person="ada", share=["email"]))

    assert answer["openid.sreg.nickname"] == "mark"
    assert answer["openid.sreg.email"] == "signed@evil.example"
    assert ubuntu_one.answers[-1].fields == answer
    assert ubuntu_one.answers[-1].return_to == site.return_to


def test_an_immediate_request_needs_somebody_signed_in(
    browser: httpx.Client, ubuntu_one: PretendUbuntuOne, site: Site
) -> None:
    answer = browser.get("+openid", params=site.begin(immediate=True))
    assert site.complete(fields_of(answer)).status == SETUP_NEEDED
    ubuntu_one.auto_person = "ada"
    answer = browser.get("+openid", params=site.begin(immediate=True))
    assert site.complete(fields_of(answer)).status == SUCCESS


@pytest.mark.parametrize(
    ("login_age", "honours", "max_auth_age", "expected"),
    [(0, True, 0, 0), (900, True, 0, 0), (900, True, 3600, 900), (900, False, 0, 900)],
)
def test_pape_says_when_the_person_logged_in(
    ubuntu_one: PretendUbuntuOne,
    site: Site,
    login_age: float,
    honours: bool,
    max_auth_age: int,
    expected: int,
) -> None:
    ubuntu_one.login_age, ubuntu_one.honours_max_auth_age = login_age, honours
    request = site.begin(pape.Request(max_auth_age=max_auth_age))
    result = site.complete(ubuntu_one.signed_answer(request, "ada"))
    said = pape.Response.fromSuccessResponse(result).auth_time
    age = datetime.now(UTC) - datetime.fromisoformat(said)
    assert abs(age - timedelta(seconds=expected)) < timedelta(seconds=5)


def test_a_return_address_outside_the_realm_is_refused_here(browser: httpx.Client, site: Site) -> None:
    request = site.begin() | {"openid.return_to": "https://evil.example/"}
    for answer in (browser.get("+openid", params=request), browser.post("+decide", data=request)):
        assert answer.status_code == 400
        assert "location" not in answer.headers


def test_what_is_no_request_is_refused(browser: httpx.Client) -> None:
    assert browser.get("+openid").status_code == 400
    assert browser.post("+decide", data={"person": "ada"}).status_code == 400
    assert browser.get("nothing").status_code == 404


def test_it_can_be_down_and_slow(browser: httpx.Client, ubuntu_one: PretendUbuntuOne) -> None:
    assert browser.post("_control", json={"down": True, "latency": 0.05}).json()["down"] is True
    answer = browser.get("")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert answer.elapsed > timedelta(seconds=0.05)
    browser.post("_control", json={"down": False, "latency": 0})
    assert browser.get("").status_code == 200
