"""Waivers on the pages: asking, seeing what became of it, taking it back."""

import re
from collections.abc import Callable

import pytest

from core.audit import OPERATOR
from core.database import utc_now
from core.models import Alias, Notice, Waiver
from core.routing import Entitlement
from core.waivers import grant, refuse
from devtools.accounts import Account
from tests.app.owner import Owner
from tests.support.arrange import later
from tests.support.page import Element, faults_of
from tests.support.portal import Portal
from tests.support.records import nothing_created, person_of
from tests.support.webclient import Answer, Client

WHY = "Everybody knows me by this name."


@pytest.fixture
def name(owner: Owner) -> str:
    """Another name that nobody has."""
    return f"{owner.person.launchpad_name}.two"


def ask(client: Client, htmx: bool = False, /, **fields: str) -> Answer:
    fields = {"kind": "local-part", "domain": "ubuntu.com", "reason": WHY} | fields
    return client.post("/waivers", fields, on="/waivers/new" if htmx else "")


def form_of(answer: Answer, htmx: bool) -> Element:
    """The form with its sentence: alone with HTMX, in a whole page without."""
    assert answer.is_whole_page is not htmx
    if not htmx:
        assert faults_of(answer.page) == []
    return answer.page.one("section", id="ask")


def waiver_of(owner: Owner) -> Waiver:
    return Waiver.select().where(Waiver.person == owner.person).order_by(Waiver.id.desc()).get()


# -- the form -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("local-part", {"local_part", "domain", "reason"}),
        ("domain", {"until", "domain", "reason"}),
        ("grace", {"until", "domain", "reason"}),
    ],
)
def test_the_form_asks_for_what_its_kind_needs(
    portal: Portal, owner: Owner, kind: str, fields: set[str]
) -> None:
    answer = owner.client.get(f"/waivers/new?kind={kind}&domain=kubuntu.org")

    assert faults_of(answer.page) == []
    form = form_of(answer, False).one("form")
    shown = [one for tag in ("input", "select", "textarea") for one in form.all(tag)]
    assert {one["name"] for one in shown if one.get("type") != "hidden"} == fields
    assert form.one("input", name="kind")["value"] == kind
    assert [one["value"] for one in form.all("option") if one.get("selected") is not None] == ["kubuntu.org"]
    links = answer.page.one("nav", class_="kinds").all("a")
    assert [link.get("aria-current") for link in links].count("page") == 1
    assert all("domain=kubuntu.org" in link["href"] for link in links)


@pytest.mark.parametrize(
    "query",
    ["", "?kind=x", "?domain=evil.example", "?kind=grace&kind=domain", "?domain=%00", '?domain="><x>'],
)
def test_an_odd_address_opens_the_form_all_the_same(portal: Portal, owner: Owner, query: str) -> None:
    answer = owner.client.get(f"/waivers/new{query}")

    assert answer.status == 200
    assert faults_of(answer.page) == []
    assert answer.page.all("x") == []


def test_nobody_asks_before_they_have_signed_in(portal: Portal, client: Client) -> None:
    answer = client.get("/waivers/new?kind=domain&domain=ubuntu.com")

    assert answer.location == "/login?next=/waivers/new?kind%3Ddomain%26domain%3Dubuntu.com"


# -- asking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_a_request_is_listed_and_the_admins_are_told(
    each_portal: Portal, owner: Owner, name: str, htmx: bool
) -> None:
    answer = ask(owner.client, htmx, local_part=name)

    assert (answer.header("HX-Redirect") or answer.location) == "/waivers"
    page = owner.client.get("/waivers").page
    assert faults_of(page) == []
    row = page.one("article", id=f"waiver-{waiver_of(owner).id}")
    assert row.one("h2").text == f"Another name: {name}@ubuntu.com"
    assert "waits for an admin" in row.text
    assert WHY in row.text
    assert Notice.select().where(Notice.kind == "waiver-asked", Notice.person == owner.person).count() == 1


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"local_part": "a b"}, "letters from a to z"),
        ({"local_part": "root"}, "kept for the project"),
        ({"local_part": "ok", "reason": "no"}, "10 to 1000 characters"),
        ({"local_part": "ok", "domain": "evil.example"}, "Choose a domain"),
        ({"local_part": "ok", "domain": "kubuntu.org"}, "needs an entitlement to kubuntu.org"),
        ({"local_part": "ok", "kind": "x"}, "Choose a domain"),
        ({"kind": "domain"}, "without a waiver"),
        ({"kind": "grace", "until": "2099-01-01"}, "is about to end"),
        ({"kind": "domain", "domain": "kubuntu.org", "until": "soon"}, "a date such as"),
        ({"kind": "domain", "domain": "kubuntu.org", "until": "2020-01-01"}, "day is over"),
    ],
)
def test_what_cannot_be_asked_for_is_said_and_the_words_stay(
    portal: Portal, owner: Owner, fields: dict[str, str], words: str, htmx: bool
) -> None:
    with nothing_created():
        answer = ask(owner.client, htmx, **fields)

    form = form_of(answer, htmx)
    assert answer.status == 422
    assert words in form.one("p", id="ask-error").text
    assert form.one("p", id="ask-error").get("autofocus") is not None
    assert form.one("textarea").text == fields.get("reason", WHY)
    if form.all("input", name="local_part"):
        assert form.one("input", name="local_part")["value"] == fields.get("local_part", "")
    assert not owner.person.waivers.exists()


def test_a_second_request_of_the_kind_is_refused(portal: Portal, owner: Owner, name: str) -> None:
    ask(owner.client, local_part=name)

    assert "asked for this already" in ask(owner.client, local_part=f"{name}.more").text


def test_words_stay_words(portal: Portal, owner: Owner, name: str) -> None:
    reason = "<b onclick=alert(1)>Because</b> of {{7*7}} & “quotes”\nand lines"
    ask(owner.client, local_part=name, reason=reason)
    row = owner.client.get("/waivers").page.one("article")

    assert row.all("b") == []
    assert "{{7*7}}" in row.text


# -- what became of it ----------------------------------------------------------------------------


def test_a_grant_shows_with_its_answer_and_leads_to_the_address(
    portal: Portal, owner: Owner, name: str
) -> None:
    ask(owner.client, local_part=name)
    grant(OPERATOR, waiver_of(owner).id, portal.settings.record_secret, utc_now(), answer="Gladly.")
    row = owner.client.get("/waivers").page.one("article")

    assert "granted" in row.text
    assert "Answer: Gladly." in row.text
    assert row.all("form") == []
    page = owner.client.get(row.one("a")["href"])
    assert page.page.one("h1").text == f"{name}@ubuntu.com"
    assert f"{name}@ubuntu.com" in owner.client.get("/home").text


def test_a_refusal_shows_with_its_reason(portal: Portal, owner: Owner, name: str) -> None:
    ask(owner.client, local_part=name)
    refuse(OPERATOR, waiver_of(owner).id, "Not for a nickname.", utc_now())

    row = owner.client.get("/waivers").page.one("article")
    assert "not granted" in row.text
    assert "Not for a nickname." in row.text


def test_a_granted_domain_can_be_claimed(portal: Portal, owner: Owner, member: Account) -> None:
    ask(owner.client, kind="domain", domain="kubuntu.org", until="2099-12-31")
    grant(OPERATOR, waiver_of(owner).id, portal.settings.record_secret, utc_now())

    home = owner.client.get("/home")
    assert faults_of(home.page) == []
    assert "by a waiver" in home.page.one("article", id="domain-kubuntu-org").text
    assert owner.client.post("/domains/kubuntu.org/claim").location == "/home#domain-kubuntu-org"
    assert Alias.get(person=owner.person, local_part=member.name, domain=waiver_of(owner).domain)
    row = owner.client.get("/waivers").page.one("article")
    assert re.search(r"until 31 Dec 2099", row.text)
    assert row.one("a")["href"].startswith("/home#domain-kubuntu-org")


def test_more_time_can_be_asked_for(portal: Portal, owner: Owner) -> None:
    soon = later(utc_now(), days=5)
    Alias.update(entitlement=Entitlement.GRACE, grace_until=soon).where(Alias.id == owner.alias.id).execute()
    until = f"{later(utc_now(), days=90):%Y-%m-%d}"
    answer = ask(owner.client, kind="grace", until=until)

    assert answer.location == "/waivers"
    assert f"{waiver_of(owner).ends_at:%Y-%m-%d}" == until


# -- taking it back -------------------------------------------------------------------------------


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_a_request_is_taken_back(each_portal: Portal, owner: Owner, name: str, htmx: bool) -> None:
    ask(owner.client, local_part=name)
    form = owner.client.get("/waivers").page.one("article").one("form")
    answer = owner.client.post(form["action"], on="/waivers" if htmx else "")
    page = (answer if htmx else owner.client.follow(answer)).page

    assert answer.is_whole_page is not htmx or not htmx
    said = page.one(hx_swap_oob="innerHTML:#announce") if htmx else page.one("p", class_="flash")
    assert said.text == "You have taken it back."
    assert "taken back" in page.one("article").text
    assert page.one("article").all("form") == []
    assert waiver_of(owner).state == "withdrawn"


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_what_an_admin_has_decided_meanwhile_is_shown(
    portal: Portal, owner: Owner, name: str, htmx: bool
) -> None:
    ask(owner.client, local_part=name)
    refuse(OPERATOR, waiver_of(owner).id, "No.", utc_now())
    answer = owner.client.post(f"/waivers/{waiver_of(owner).id}/withdraw", on="/waivers" if htmx else "")

    assert (answer.status, "decided already" in answer.text) == (409, True)
    assert answer.is_whole_page is not htmx


def test_nobody_sees_or_takes_back_the_request_of_somebody_else(
    portal: Portal,
    owner: Owner,
    name: str,
    new_client: Callable[[], Client],
    new_person: Callable[..., Account],
) -> None:
    ask(owner.client, local_part=name)
    other, stranger = new_client(), new_person("ubuntumembers")
    other.sign_in(stranger.name)

    assert other.post(f"/waivers/{waiver_of(owner).id}/withdraw").status == 404
    assert name not in other.get("/waivers").html
    assert waiver_of(owner).state == "asked"
    assert not person_of(stranger).waivers.exists()
