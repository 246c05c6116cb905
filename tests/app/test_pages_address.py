"""The switches of an address, and giving it up, with HTMX and without."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from core.audit import OPERATOR
from core.database import utc_now
from core.models import Alias, AuditEntry
from core.people import ban, unban
from core.routing import Entitlement, Hold, Switch
from devtools.accounts import Account
from tests.app.owner import Owner, assert_form
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Client

PARTS = [
    *("Where mail goes", "Try it", "Mails that were refused", "On or off", "Sub-addresses", "Label"),
    *("Sending from this address", "History", "Give up"),
]

htmx_and_not = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])


def state_of(owner: Owner) -> str:
    """Return the word of the state on the address page."""
    return owner.client.get(owner.path).page.one("section", id="address").all("span")[0].text


@htmx_and_not
@pytest.mark.parametrize(
    ("to", "word"), [("off-later", "off, senders try later"), ("off-refused", "off, mail is refused")]
)
def test_an_address_is_switched_off_and_on(
    portal: Portal, owner: Owner, to: str, word: str, htmx: bool
) -> None:
    assert state_of(owner) == "works"

    off = owner.press("switch", htmx, to=to)

    assert off.status == (200 if htmx else 303)
    assert state_of(owner).startswith(word)
    if htmx:
        part = assert_form(off, htmx)
        assert word in part.text
        buttons = [button.text for button in part.one("div", class_="switches").all("button")]
        assert buttons == (["Switch on", "Refuse mail from now on"] if to == "off-later" else ["Switch on"])
    owner.press("switch", htmx, to="on")
    assert state_of(owner) == "works"


def test_later_becomes_refused_after_three_days(portal: Portal, owner: Owner) -> None:
    owner.press("switch", to="off-later")
    Alias.update(switched_at=utc_now() - timedelta(days=3)).where(Alias.id == owner.alias.id).execute()

    assert state_of(owner) == "off, mail is refused"


@htmx_and_not
@pytest.mark.parametrize("to", ["", "given-up", "ON", "off", "x"])
def test_other_switches_there_are_none(portal: Portal, owner: Owner, to: str, htmx: bool) -> None:
    with nothing_created():
        answer = owner.press("switch", htmx, to=to)

    assert answer.status == 400
    assert Alias.get_by_id(owner.alias.id).switch == Switch.ON


def test_switching_to_where_it_is_changes_nothing(portal: Portal, owner: Owner) -> None:
    with nothing_created():
        assert owner.press("switch", to="on").status == 303


@pytest.mark.parametrize("confirm", ["{}", " {} ", "{upper}"])
@htmx_and_not
def test_an_address_is_given_up_when_its_name_was_typed(
    portal: Portal, owner: Owner, confirm: str, htmx: bool
) -> None:
    text = owner.alias.text

    answer = owner.press("give-up", htmx, confirm=confirm.format(text, upper=text.upper()))

    if htmx:
        assert (answer.status, answer.header("HX-Redirect"), answer.html) == (200, "/home", "")
    else:
        assert (answer.status, answer.location) == (303, "/home")
    assert Alias.get_by_id(owner.alias.id).switch == Switch.GIVEN_UP
    home = owner.client.get("/home")
    assert home.page.one("p", class_="flash").text.startswith("You gave the address up.")
    assert f"Claim {text}" in home.text
    assert owner.client.get(owner.path).status == 404


@pytest.mark.parametrize("confirm", ["", "x", "yes", "{local}", "{local}@kubuntu.org", "{text}x", "\x00"])
@htmx_and_not
def test_without_the_name_nothing_is_given_up(portal: Portal, owner: Owner, confirm: str, htmx: bool) -> None:
    typed = confirm.format(local=owner.alias.local_part, text=owner.alias.text)

    with nothing_created():
        answer = owner.press("give-up", htmx, confirm=typed)

    assert answer.status == 422
    part = assert_form(answer, htmx)
    field = part.one("input", id="confirm")
    assert field["aria-invalid"] == "true"
    assert field.get("autofocus") is not None
    said = part.one(id=field["aria-describedby"])
    assert said["role"] == "alert"
    assert said.text == "Type the whole address to confirm that you give it up."
    assert Alias.get_by_id(owner.alias.id).switch == Switch.ON


@pytest.mark.parametrize(
    "action",
    ["recipients", "recipients/1/remove", "order", "sub-addresses", "label", "switch", "test", "give-up"],
)
def test_an_address_given_up_is_not_there_any_more(portal: Portal, owner: Owner, action: str) -> None:
    owner.press("give-up", confirm=owner.alias.text)
    fields = {"to": "on", "confirm": owner.alias.text, "action": "remove", "recipient": "1"}

    with nothing_created():
        assert owner.press(action, **fields).status == 404


def test_every_change_leaves_an_entry(portal: Portal, owner: Owner) -> None:
    before = AuditEntry.select().count()

    owner.press("switch", to="off-later")
    owner.press("switch", to="on")
    owner.press("give-up", confirm=owner.alias.text)

    verbs = [row.verb for row in AuditEntry.select().order_by(AuditEntry.id).offset(before)]
    assert verbs == ["alias-switched", "alias-switched", "alias-given-up"]


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"hold": Hold.ADMIN}, "suspended"),
        ({"hold": Hold.LAUNCHPAD}, "suspended"),
        ({"entitlement": Entitlement.ENDED}, "ended"),
    ],
)
def test_a_held_or_ended_address_says_so(
    portal: Portal, owner: Owner, fields: dict[str, object], word: str
) -> None:
    Alias.update(**fields).where(Alias.id == owner.alias.id).execute()

    assert state_of(owner) == word
    assert word in owner.client.get("/home").text


def test_a_ban_holds_the_address_and_its_end_lets_it_go(
    portal: Portal, owner: Owner, member: Account, new_client: Callable[[], Client]
) -> None:
    ban(OPERATOR, owner.person, utc_now())
    assert Alias.get_by_id(owner.alias.id).hold == Hold.BAN
    unban(OPERATOR, owner.person, utc_now())

    owner.client.forget_token()
    owner.client.sign_in(member.name)

    assert state_of(owner) == "works"


def test_the_page_names_its_parts(portal: Portal, owner: Owner) -> None:
    page = owner.client.get(owner.path).page

    assert page.one("h1").text == owner.alias.text
    assert page.one("title").text.startswith(owner.alias.text)
    assert [one.text for one in page.all("h2")] == PARTS
    for form in page.one("section", id="address").all("form"):
        assert form["method"] == "post"
        assert form["action"] == form["hx-post"]
        assert len(form.all("input", name="csrf_token")) == 1
