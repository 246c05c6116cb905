"""The pages that need no sign-in: front page, domains, help."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from flask.testing import FlaskClient

from app import create_app
from app.public.routes import HELP
from core.audit import OPERATOR
from core.database import connection, utc_now
from core.domains import add_domain, mark_verified
from core.models import Domain
from core.recipients import MAX_RECIPIENTS, PROOF_LASTS
from core.routing import LATER_LASTS
from devtools.accounts import Account
from devtools.servers import PretendServers
from tests.app.conftest import fill_database, portal_settings
from tests.support.page import Element, faults_of, read_page
from tests.support.portal import Portal
from tests.support.webclient import Client

UBUNTU = ["ubuntu.com", "kubuntu.org", "lubuntu.me", "edubuntu.org", "ubuntustudio.com", "ubuntu.net"]
PUBLIC = ["/", "/d/ubuntu.com", "/help", "/help/leave", "/privacy"]

OpenSite = Callable[..., FlaskClient]


@pytest.fixture
def open_site(outside: PretendServers, tmp_path: Path) -> Iterator[OpenSite]:
    """Opens a portal with settings and domains of its own, in this process."""

    def open_one(**more: str) -> FlaskClient:
        settings = portal_settings(outside, f"sqlite:///{tmp_path}/waypost.db", tmp_path, **more)
        fill_database(settings)
        return create_app(settings).test_client()

    yield open_one
    structlog.reset_defaults()


def page_at(site: FlaskClient, path: str) -> Element:
    """Return a page that must be there and be sound."""
    answer = site.get(path)
    assert answer.status_code == 200
    page = read_page(answer.text)
    assert faults_of(page) == []
    return page


def links(page: Element) -> dict[str, str]:
    """Return the links of a page: words and address."""
    return {one.text: one["href"] for one in page.all("a")}


@pytest.mark.parametrize("path", PUBLIC)
def test_everybody_can_read_it_and_a_sign_in_leads_back(
    portal: Portal, client: Client, member: Account, path: str
) -> None:
    answer = client.get(path)
    assert answer.status == 200
    assert faults_of(answer.page) == []
    assert "%(" not in answer.html

    client.sign_in(member.name)
    signed_in = client.get(path)
    assert signed_in.status == 200 or (path, signed_in.location) == ("/", "/home")


@pytest.mark.parametrize("path", [*PUBLIC, "/login", "/nowhere"])
def test_help_and_privacy_stand_in_the_same_place_on_every_page(
    portal: Portal, client: Client, path: str
) -> None:
    """WCAG 2.2, 3.2.6."""
    footer = client.get(path).page.one("footer")

    assert [one.text for one in footer.all("a")] == ["Help", "Privacy", "Write to the admins"]


def test_the_front_page_says_what_it_is_and_starts_the_sign_in(portal: Portal, client: Client) -> None:
    page = client.get("/").page

    form = page.one("form", action="/login")
    assert (form["method"], form["action"]) == ("post", "/login")
    assert form.one("button").text == "Log in with Ubuntu One"
    names = page.one("ul", class_="domain-links")
    assert {one.text: one["href"] for one in names.all("a")} == {name: f"/d/{name}" for name in UBUNTU}


def test_only_domains_that_are_served_are_shown(open_site: OpenSite) -> None:
    site = open_site()
    with connection():
        Domain.delete().where(Domain.name != "ubuntu.com").execute()
        add_domain(OPERATOR, "unproven.example.org", ["ubuntumembers"], utc_now())
        gone = add_domain(OPERATOR, "gone.example.org", ["ubuntumembers"], utc_now())
        mark_verified(OPERATOR, gone, utc_now())
        Domain.update(removed_at=utc_now()).where(Domain.id == gone.id).execute()

    shown = page_at(site, "/").one("ul", class_="domain-links")

    assert [one.text for one in shown.all("li")] == ["ubuntu.com"]
    assert site.get("/d/unproven.example.org").status_code == 404
    assert site.get("/d/gone.example.org").status_code == 404


def test_without_a_domain_the_front_page_has_no_empty_list(open_site: OpenSite) -> None:
    site = open_site()
    with connection():
        Domain.update(removed_at=utc_now()).execute()

    assert page_at(site, "/").all("ul", class_="domain-links") == []


def test_a_domain_says_who_is_entitled(portal: Portal, client: Client) -> None:
    page = client.get("/d/kubuntu.org").page

    assert page.one("h1").text == "kubuntu.org"
    rules = page.one("ul", class_="reasons").text
    assert "active account in Launchpad" in rules
    assert "signed the Code of Conduct" in rules
    assert "this team" in rules
    launchpad = portal.settings.launchpad_web_url
    assert links(page)["kubuntu-members"] == f"{launchpad}~kubuntu-members"
    assert "another 90 days" in page.text


def test_a_domain_with_rules_of_its_own_says_those(open_site: OpenSite) -> None:
    site = open_site()
    with connection():
        teams = ["painters", "writers"]
        domain = add_domain(OPERATOR, "arts.example.org", teams, utc_now(), coc_required=False)
        mark_verified(OPERATOR, domain, utc_now())
        Domain.update(grace_days=7).where(Domain.id == domain.id).execute()

    page = page_at(site, "/d/arts.example.org")

    rules = page.one("ul", class_="reasons").text
    assert "Code of Conduct" not in rules
    assert "one of these teams" in rules
    assert {"painters", "writers"} <= links(page).keys()
    assert "another 7 days" in page.text


def test_a_domain_without_a_team_promises_nothing(open_site: OpenSite) -> None:
    site = open_site()
    with connection():
        mark_verified(OPERATOR, add_domain(OPERATOR, "bare.example.org", [], utc_now()), utc_now())

    page = page_at(site, "/d/bare.example.org")

    assert "No team is entitled" in page.text
    assert page.all("ul", class_="reasons") == []


def test_a_sign_in_from_a_domain_ends_at_its_row(portal: Portal, client: Client, member: Account) -> None:
    target = client.get("/d/ubuntu.com").page.one("input", name="next")["value"]

    home = client.sign_in(member.name, next_page=target)

    assert target == "/home#domain-ubuntu-com"
    assert home.response.url.path == "/home"
    assert home.page.one("article", id="domain-ubuntu-com")


def test_whoever_is_signed_in_is_led_to_their_addresses(
    portal: Portal, client: Client, member: Account
) -> None:
    client.sign_in(member.name)

    page = client.get("/d/ubuntu.com").page

    assert links(page)["To your addresses"] == "/home#domain-ubuntu-com"
    assert [form["action"] for form in page.all("form")] == ["/logout", "/language"]


@pytest.mark.parametrize("name", ["Ubuntu.com", "UBUNTU.COM", "ubuntu.com."])
def test_another_spelling_leads_to_the_one_page(portal: Portal, client: Client, name: str) -> None:
    answer = client.get(f"/d/{name}")

    assert (answer.status, answer.location) == (301, "/d/ubuntu.com")


@pytest.mark.parametrize("name", ["nowhere.example", "x", "ubuntu.com%00", "%ff", "a" * 300, "ubuntu.com/x"])
def test_no_domain_no_page(each_portal: Portal, client: Client, name: str) -> None:
    assert client.get(f"/d/{name}").status == 404


def test_each_question_has_its_page_and_its_answer(portal: Portal, client: Client) -> None:
    contents = client.get("/help").page.one("ul", class_="contents")
    assert [one["href"] for one in contents.all("a")] == [f"/help/{slug}" for slug in HELP]
    assert len(HELP) == 10
    for slug in HELP:
        page = client.get(f"/help/{slug}").page
        assert page.one("h1").text == contents.one("a", href=f"/help/{slug}").text
        assert len(page.one("div", class_="question").text) > 80, slug
        assert page.one("main").one("a", href="/help").text == "← All questions"
        assert page.one("section", id="contact").all("a"), slug


def test_old_links_into_the_help_still_lead_to_the_question(portal: Portal, client: Client) -> None:
    page = client.get("/help").page

    for slug in HELP:
        assert page.one("li", id=slug).one("a")["href"] == f"/help/{slug}"
    assert page.one("section", id="contact").all("a")


@pytest.mark.parametrize("slug", ["nothing", "spam.html", "%2e%2e%2fhelp", "a" * 300])
def test_no_question_no_answer(portal: Portal, client: Client, slug: str) -> None:
    assert client.get(f"/help/{slug}").status == 404


def test_the_answer_on_deleting_leads_to_where_it_is_done(portal: Portal, client: Client) -> None:
    assert client.get("/help/delete").page.one("main").one("a", href="/account").text == "My data"


def test_the_periods_are_those_that_the_rules_keep_to(portal: Portal, client: Client) -> None:
    said = {slug: client.get(f"/help/{slug}").page.one("main").text for slug in HELP}

    assert f"within {PROOF_LASTS.total_seconds() / 3600:.0f} hours" in said["change"]
    assert f"up to {LATER_LASTS.days} days" in said["lost-mailbox"]
    assert f"up to {MAX_RECIPIENTS} mailboxes" in said["second"]
    assert "90 days" in said["leave"]


def test_where_domains_differ_the_help_says_the_range(open_site: OpenSite) -> None:
    site = open_site()
    with connection():
        Domain.update(grace_days=14).where(Domain.name == "ubuntu.net").execute()

    assert "14 to 90 days" in page_at(site, "/help/leave").one("main").text


@pytest.mark.parametrize(
    ("mode", "refuses", "marks"), [("enforce", True, True), ("mark", False, True), ("off", False, False)]
)
def test_what_is_said_of_spam_is_what_the_relay_does(
    open_site: OpenSite, mode: str, refuses: bool, marks: bool
) -> None:
    text = page_at(open_site(mail_authentication=mode), "/help/spam").one("main").text

    assert ("is refused here already" in text) is refuses
    assert ("Authentication-Results of mx.waypost.example" in text) is marks


def test_the_ops_address_is_the_contact_when_there_is_no_other(portal: Portal, client: Client) -> None:
    contact = client.get("/help").page.one("section", id="contact")

    assert [one["href"] for one in contact.all("a")] == ["mailto:ops@ops.example.net"]


def test_the_admins_say_how_they_are_reached(open_site: OpenSite) -> None:
    site = open_site(
        contact_mail="help@example.org",
        contact_matrix="#addresses:example.org",
        contact_web="https://forum.example.org/c/addresses?x=1&y=2",
    )

    page = page_at(site, "/help")

    assert links(page.one("section", id="contact")) == {
        "help@example.org": "mailto:help@example.org",
        "#addresses:example.org": "https://matrix.to/#/%23addresses%3Aexample.org",
        "https://forum.example.org/c/addresses?x=1&y=2": "https://forum.example.org/c/addresses?x=1&y=2",
    }
    assert links(page.one("footer"))["Write to the admins"] == "mailto:help@example.org"


def test_public_pages_do_not_say_who_is_here(
    portal: Portal, client: Client, new_client: Callable[[], Client], member: Account
) -> None:
    client.sign_in(member.name)
    client.post("/domains/ubuntu.com/claim")

    nobody = new_client()
    for path in PUBLIC:
        assert member.name not in nobody.get(path).html
