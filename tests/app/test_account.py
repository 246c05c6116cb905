"""My data: what is shown, taken along, chosen, ended, and deleted."""

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from app.account.device import device_words
from app.account.words import TOPICS
from core.audit import OPERATOR, first_fault
from core.database import utc_now
from core.export import PARTS
from core.models import Alias, AuditEntry, Notice, Person, Session
from core.preferences import Topic
from core.roles import Role, grant
from devtools.accounts import Account
from devtools.world import World
from tests.app.owner import Owner
from tests.support.page import Element, faults_of
from tests.support.portal import Portal
from tests.support.records import nothing_created, person_of
from tests.support.traces import traces_of
from tests.support.webclient import Answer, Client

MakePerson = Callable[..., Account]


def sign_in_anew(client: Client, name: str) -> None:
    """Sign in in a way in which the provider asks for the password and says when it was given."""
    attempt = client.begin("/login/again?next=/account/delete")
    client.bring(attempt, client.sign(attempt, name))
    client.forget_token()


def part(answer: Answer, name: str, htmx: bool) -> Element:
    """Return a part of the page, and see that it is all of the answer with HTMX."""
    assert answer.status in (200, 409, 422)
    assert answer.is_whole_page is not htmx
    if not htmx:
        assert faults_of(answer.page) == []
    return answer.page.one("section", id=name)


# -- the page -------------------------------------------------------------------------------------


def test_every_page_leads_there(owner: Owner) -> None:
    for path in ("/home", owner.path, "/account", "/waivers"):
        link = owner.client.get(path).page.one("header").one("a", href="/account")
        assert link.text == "My data"


def test_nobody_has_no_data(client: Client) -> None:
    for path in ("/account", "/account/export", "/account/delete"):
        answer = client.get(path)
        assert (answer.status, answer.location) == (303, f"/login?next={path}")
    assert "/account" not in client.get("/").html


def test_every_topic_has_its_words() -> None:
    assert set(TOPICS) == set(Topic)


def test_the_page_says_what_there_is(each_portal: Portal, owner: Owner) -> None:
    owner.add("second@mail.example.org")
    page = owner.client.get("/account").page

    assert faults_of(page) == []
    rows = {row.one("dt").text: row.one("dd").text for row in page.all("div", class_="own__row")}
    assert "Your mailboxes 2 entries" in rows
    assert "Browsers in which you are signed in 1 entry" in rows
    assert "What you asked the admins for 0 entries" in rows
    assert "%" not in page.text
    assert len(rows) == len(PARTS)


def test_the_export_is_a_file_with_everything(each_portal: Portal, owner: Owner, member: Account) -> None:
    with nothing_created():
        answer = owner.client.get("/account/export")
    data = json.loads(answer.html)

    assert answer.header("Content-Type") == "application/json"
    assert re.fullmatch(
        r'attachment; filename="waypost-\d{4}-\d\d-\d\d\.json"', answer.header("Content-Disposition")
    )
    assert answer.header("Cache-Control") == "no-store"
    assert data["data"]["person"][0]["launchpad_name"] == member.name
    assert data["data"]["recipient"][0]["address"] == member.email
    assert owner.person.sessions.get().token_hash not in answer.html


# -- language -------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["", "jp", "xx", "en-US", "EN", "../en"])
def test_a_language_without_a_catalogue_is_none(portal: Portal, owner: Owner, language: str) -> None:
    assert owner.client.post("/account/language", {"language": language}).status == 400
    assert Person.get_by_id(owner.person.id).language == "en"


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_a_language_is_chosen(portal: Portal, owner: Owner, htmx: bool) -> None:
    answer = owner.client.post("/account/language", {"language": "ja"}, on="/account" if htmx else "")

    assert (answer.status, answer.header("HX-Redirect") or answer.location) == (
        200 if htmx else 303,
        "/account",
    )
    assert Person.get_by_id(owner.person.id).language == "ja"
    assert Person.get_by_id(owner.person.id).language_chosen
    page = owner.client.get("/account").page
    assert page.one("h1").text == "マイデータ"
    assert [one.get("selected") for one in page.one("select", name="language").all("option")] == [None, ""]


# -- notices --------------------------------------------------------------------------------------


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_notices_are_switched_off_and_on(each_portal: Portal, owner: Owner, htmx: bool) -> None:
    client, on = owner.client, "/account" if htmx else ""
    box = part(client.get("/account"), "notices", False).one("input", type="checkbox")
    assert (box["value"], box.get("checked")) == ("requests", "")

    off = client.post("/account/notices", on=on)
    box = part(off if htmx else client.follow(off), "notices", htmx).one("input", type="checkbox")
    assert box.get("checked") is None
    assert Person.get_by_id(owner.person.id).muted == '["requests"]'

    back = client.post("/account/notices", {"topic": "requests"}, on=on)
    box = part(back if htmx else client.follow(back), "notices", htmx).one("input", type="checkbox")
    assert box.get("checked") == ""


def test_only_admins_see_the_mails_of_admins(portal: Portal, owner: Owner) -> None:
    identity = owner.person.identities.get()
    grant(OPERATOR, identity.issuer, identity.subject, Role.PROJECT_ADMIN, None, utc_now())

    boxes = owner.client.get("/account").page.one("section", id="notices").all("input", type="checkbox")
    assert [box["value"] for box in boxes] == list(Topic)


@pytest.mark.parametrize("topic", ["verify-recipient", "new-addresses", "x", ""])
def test_what_cannot_be_switched_off_stays_on(portal: Portal, owner: Owner, topic: str) -> None:
    owner.client.post("/account/notices", {"topic": topic})

    assert Person.get_by_id(owner.person.id).muted == '["requests"]'


# -- sessions -------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(owner: Owner, member: Account, new_client: Callable[[], Client]) -> Client:
    """Another browser in which the same person is signed in."""
    client = new_client()
    client.sign_in(member.name)
    return client


def listed(client: Client) -> list[Element]:
    return client.get("/account").page.one("section", id="sessions").all("li")


def test_sessions_are_listed_and_this_one_is_marked(portal: Portal, owner: Owner, elsewhere: Client) -> None:
    phone = "Mozilla/5.0 (Android 14; Mobile; rv:130.0) Gecko/130.0 Firefox/130.0"
    answer = owner.client.get("/account", User_Agent=phone)
    items = answer.page.one("section", id="sessions").all("li")

    assert len(items) == 2
    (this,) = [item for item in items if item.all("strong")]
    assert this.one("strong").text == "This browser: Firefox on Android"
    assert this.all("form") == []
    (other,) = [item for item in items if item is not this]
    assert other.text.startswith("Another browser signed in")
    assert "in use within the last hour" in other.text
    assert phone not in str(list(Session.select().dicts()))


def test_it_says_since_when_another_browser_was_not_used(
    portal: Portal, owner: Owner, elsewhere: Client
) -> None:
    three_hours_ago = utc_now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    Session.update(seen_at=three_hours_ago, created_at=three_hours_ago + timedelta(minutes=31)).execute()

    (other,) = [item for item in listed(owner.client) if not item.all("strong")]
    began, unused = (time["datetime"] for time in other.all("time"))
    assert "not used after" in other.text
    assert began < unused
    assert datetime.fromisoformat(unused) == three_hours_ago + timedelta(hours=1)


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_another_browser_is_signed_out(
    each_portal: Portal, owner: Owner, elsewhere: Client, htmx: bool
) -> None:
    (form,) = [item.one("form") for item in listed(owner.client) if not item.all("strong")]
    answer = owner.client.post(form["action"], on="/account" if htmx else "")

    assert len(part(answer if htmx else owner.client.follow(answer), "sessions", htmx).all("li")) == 1
    assert not elsewhere.is_signed_in
    assert owner.client.is_signed_in


def test_this_browser_may_be_signed_out_by_its_number_too(portal: Portal, owner: Owner) -> None:
    answer = owner.client.post(f"/account/sessions/{owner.person.sessions.get().id}/end")

    assert (answer.status, answer.location) == (303, "/")
    assert not owner.client.is_signed_in


def test_nobody_signs_somebody_else_out(
    portal: Portal, owner: Owner, new_client: Callable[[], Client], new_person: MakePerson
) -> None:
    other = new_client()
    other.sign_in(new_person().name)
    other.post(f"/account/sessions/{owner.person.sessions.get().id}/end")

    assert owner.client.is_signed_in


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_everywhere_is_everywhere(portal: Portal, owner: Owner, elsewhere: Client, htmx: bool) -> None:
    answer = owner.client.post("/account/sessions/end", on="/account" if htmx else "")

    assert (answer.header("HX-Redirect") or answer.location) == "/"
    assert not owner.client.is_signed_in
    assert not elsewhere.is_signed_in


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/128.0 Safari/537.36 Edg/128.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/128.0 Safari/537.36 OPR/114.0",
            "Opera on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/128.0 Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1 Version/17.5 Safari/605.1",
            "Safari on macOS",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605 CriOS/128 Safari/604",
            "Chrome on iOS",
        ),
        ("curl/8.5.0", "A browser"),
        ("", "A browser"),
        ("<script>alert(1)</script>", "A browser"),
    ],
)
def test_a_browser_has_a_name_of_ours(portal: Portal, agent: str, words: str) -> None:
    from app import create_app

    with create_app(portal.settings).test_request_context():
        assert device_words(agent) == words


# -- deleting the account -------------------------------------------------------------------------


@pytest.fixture
def leaving(owner: Owner, member: Account) -> Owner:
    """An owner who has just proven who they are."""
    sign_in_anew(owner.client, member.name)
    return owner


def test_before_it_one_proves_who_one_is(portal: Portal, owner: Owner, member: Account) -> None:
    Session.update(authenticated_at=utc_now() - timedelta(minutes=11)).execute()
    for answer in (
        owner.client.get("/account/delete"),
        owner.client.post("/account/delete", {"confirm": member.name}),
    ):
        assert (answer.status, answer.location) == (303, "/login/again?next=/account/delete")
    htmx = owner.client.post("/account/delete", {"confirm": member.name}, on="/account/delete")
    assert htmx.header("HX-Redirect") == "/login/again?next=/account/delete"
    assert Person.select().where(Person.id == owner.person.id).exists()


def test_the_page_says_what_goes_and_what_stays(portal: Portal, leaving: Owner, member: Account) -> None:
    page = leaving.client.get("/account/delete").page

    assert faults_of(page) == []
    assert f"Mail to {leaving.alias.text} is refused" in page.text
    assert "keyed hash" in page.text
    assert f"Type {member.name} to confirm" in page.text
    assert page.all("a", href="/account/export")


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
@pytest.mark.parametrize("typed", ["", "delete", "x", "\x00"])
def test_without_the_right_word_nothing_goes(portal: Portal, leaving: Owner, typed: str, htmx: bool) -> None:
    with nothing_created():
        on = "/account/delete" if htmx else ""
        answer = leaving.client.post("/account/delete", {"confirm": typed}, on=on)

    section = part(answer, "leave", htmx)
    assert answer.status == 422
    assert section.one("input", id="confirm")["aria-describedby"] == "confirm-error"


@pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])
def test_with_it_everything_goes(each_portal: Portal, leaving: Owner, member: Account, htmx: bool) -> None:
    on = "/account/delete" if htmx else ""
    answer = leaving.client.post("/account/delete", {"confirm": f" {member.name.upper()} "}, on=on)

    assert (answer.header("HX-Redirect") or answer.location) == "/account/deleted"
    gone = leaving.client.get("/account/deleted")
    assert "Your account is deleted" in gone.text
    assert faults_of(gone.page) == []
    assert not leaving.client.is_signed_in
    assert not Person.select().where(Person.id == leaving.person.id).exists()
    left = [trace for trace in traces_of((member.name, str(member.email))) if trace[0] != "team_reading"]
    assert left == [("alias", "local_part", member.name), ("notice", "address", str(member.email))]
    assert first_fault() is None
    Notice.delete().where(Notice.kind == "account-deleted").execute()


def test_a_second_press_meets_the_sign_in_page(portal: Portal, leaving: Owner, member: Account) -> None:
    token = leaving.client.token()
    leaving.client.post("/account/delete", {"confirm": member.name})
    again = leaving.client.http.post("/account/delete", data={"csrf_token": token, "confirm": member.name})

    assert again.status_code in (303, 400)
    assert AuditEntry.select().where(AuditEntry.verb == "person-erased").count() >= 1


def test_other_browsers_are_out_at_once(
    portal: Portal, leaving: Owner, elsewhere: Client, member: Account
) -> None:
    leaving.client.post("/account/delete", {"confirm": member.name})

    assert not elsewhere.is_signed_in
    answer = elsewhere.post("/domains/ubuntu.com/claim")
    assert answer.status in (303, 400)


def test_who_comes_back_may_claim_the_name_again(portal: Portal, leaving: Owner, member: Account) -> None:
    leaving.client.post("/account/delete", {"confirm": member.name})
    leaving.client.forget_token()
    home = leaving.client.sign_in(member.name)

    assert f"Claim {leaving.alias.text}" in home.text
    leaving.client.post("/domains/ubuntu.com/claim")
    alias = Alias.get(local_part=member.name)
    assert (alias.person, alias.switch) == (person_of(member), "on")


def test_nobody_else_may(
    portal: Portal, leaving: Owner, member: Account, world: World, new_client: Callable[[], Client]
) -> None:
    """Somebody who gets the freed Launchpad name gets nothing with it."""
    leaving.client.post("/account/delete", {"confirm": member.name})
    world.take_name(member.name, f"{member.name}-old")
    world.join(member.name, "ubuntumembers")
    other = new_client()
    home = other.sign_in(member.name)

    assert "Somebody else has this address" in home.text
    assert other.post("/domains/ubuntu.com/claim").status == 409


def test_without_a_launchpad_name_there_is_another_word(
    portal: Portal, client: Client, new_person: MakePerson
) -> None:
    stranger = new_person(on_launchpad=False)
    client.sign_in(stranger.name)
    sign_in_anew(client, stranger.name)

    assert "Type delete to confirm" in client.get("/account/delete").text
    assert client.post("/account/delete", {"confirm": "delete"}).location == "/account/deleted"
