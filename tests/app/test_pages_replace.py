"""One mailbox in another's place, and the fresh sign-in that changes of where mail goes ask for."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from core.database import utc_now
from core.models import Alias, Notice, Recipient, Session
from core.routing import Switch
from devtools.accounts import Account
from tests.app.owner import Owner, assert_form
from tests.support.letters import proof_mails
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Answer, Client

htmx_and_not = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])

NEW = "new@mail.example.org"


@pytest.fixture
def member(new_person) -> Account:
    """Somebody in two teams."""
    return new_person("ubuntumembers", "kubuntu-members")


@pytest.fixture
def other(owner: Owner) -> Alias:
    """The owner's address on another domain, with the same mailbox."""
    owner.client.post("/domains/kubuntu.org/claim")
    return Alias.get(Alias.person == owner.person, Alias.id != owner.alias.id)


def replace(owner: Owner, member: Account, text: str, htmx: bool = False, where: str = "") -> Answer:
    """Send the form of the owner's first mailbox."""
    old = owner.recipient(str(member.email)).id
    return owner.press(f"recipients/{old}/replace", htmx, recipient=text, where=where)


def link_of(owner: Owner, portal: Portal) -> str:
    """The path of the link in the mail to the new mailbox."""
    return proof_mails(owner.recipient(NEW), portal.settings)[-1].link.removeprefix(portal.url)


def goes_to(path: str, client: Client) -> list[str]:
    """The mailboxes on an address page."""
    items = client.get(path).page.one("ol", class_="recipients").all("li", class_="recipient")
    return [item.all(class_="address")[0].text for item in items]


# -- another mailbox -------------------------------------------------------------------------------


@htmx_and_not
@pytest.mark.parametrize("where", ["everywhere", "here"])
def test_a_mailbox_is_changed_once_it_is_confirmed(
    each_portal: Portal, owner: Owner, other: Alias, member: Account, where: str, htmx: bool
) -> None:
    form = owner.client.get(owner.path).page.one("details").one("form")
    assert [choice["value"] for choice in form.all("input", type="radio")] == ["everywhere", "here"]
    assert other.text in form.text

    answer = replace(owner, member, NEW, htmx, where)

    assert answer.status == (200 if htmx else 303)
    part = assert_form(answer if htmx else owner.client.get(owner.path), htmx)
    assert f"this one takes its place: {NEW} not confirmed yet" in part.text
    assert "works" in part.text
    link = link_of(owner, each_portal)
    shown = owner.client.get(link)
    assert f"{owner.alias.text} , in place of {member.email}" in shown.text
    assert (other.text in shown.text) is (where == "everywhere")
    assert owner.client.post(link).status == 303
    assert goes_to(owner.path, owner.client) == [NEW]
    assert goes_to(f"/addresses/{other.id}", owner.client) == [NEW if where == "everywhere" else member.email]


@htmx_and_not
def test_a_change_can_be_taken_back(portal: Portal, owner: Owner, member: Account, htmx: bool) -> None:
    replace(owner, member, NEW)

    answer = owner.change("remove", owner.recipient(NEW).id, htmx)

    assert answer.status == (200 if htmx else 303)
    assert NEW not in owner.client.get(owner.path).page.one("ol", class_="recipients").text
    assert goes_to(owner.path, owner.client) == [member.email]


@htmx_and_not
@pytest.mark.parametrize("typed", ["no address", "ada@ubuntu.com", "{own}", ""])
def test_what_cannot_be_a_mailbox_is_refused_beside_the_field(
    portal: Portal, owner: Owner, member: Account, typed: str, htmx: bool
) -> None:
    typed = typed.format(own=member.email)

    with nothing_created():
        answer = replace(owner, member, typed, htmx)

    assert answer.status == 422
    details = assert_form(answer, htmx).one("details")
    assert details.get("open") is not None
    field = details.one("input", type="text")
    assert (field["value"], field["aria-invalid"]) == (typed, "true")
    assert details.one(id=field["aria-describedby"])["role"] == "alert"


def test_for_a_mailbox_of_one_address_there_is_nothing_to_choose(portal: Portal, owner: Owner) -> None:
    form = owner.client.get(owner.path).page.one("details").one("form")

    assert form.all("input", type="radio") == []


def test_those_who_had_the_mail_are_told(portal: Portal, owner: Owner, member: Account) -> None:
    replace(owner, member, NEW)
    owner.client.post(link_of(owner, portal))

    told = Notice.select().where(Notice.kind == "recipient-removed")
    assert [notice.recipient.address for notice in told if notice.person == owner.person] == [member.email]


# -- a fresh sign-in -------------------------------------------------------------------------------

DANGEROUS = {
    "recipients": {"recipient": NEW},
    "recipients/{id}/replace": {"recipient": NEW},
    "recipients/{id}/remove": {},
    "switch": {"to": "off-later"},
    "give-up": {"confirm": "{address}"},
}
HARMLESS = {
    "recipients/{id}/move": {"way": "up"},
    "switch": {"to": "on"},
    "label": {"label": "x"},
    "order": {"order": "first"},
}


@pytest.fixture
def stale(owner: Owner) -> Owner:
    """The owner, signed in a good while ago."""
    before = utc_now() - timedelta(hours=2)
    of_owner = Session.person == owner.person
    Session.update(created_at=before, authenticated_at=before).where(of_owner).execute()
    return owner


def press(owner: Owner, member: Account, path: str, fields: dict[str, str], htmx: bool) -> Answer:
    """Send one of the forms, filled."""
    path = path.format(id=owner.recipient(str(member.email)).id)
    return owner.press(path, htmx, **{k: v.format(address=owner.alias.text) for k, v in fields.items()})


@htmx_and_not
@pytest.mark.parametrize("path", DANGEROUS)
def test_a_change_of_where_mail_goes_asks_for_a_fresh_sign_in(
    portal: Portal, stale: Owner, member: Account, path: str, htmx: bool
) -> None:
    with nothing_created():
        asked = press(stale, member, path, DANGEROUS[path], htmx)

    assert Alias.get_by_id(stale.alias.id).switch == Switch.ON
    assert not Recipient.select().where(Recipient.person == stale.person, Recipient.address == NEW).exists()
    assert (asked.header("HX-Redirect") if htmx else asked.location) == f"/login/again?next={stale.path}"
    back = stale.client.sign_in(member.name, next_page=f"/login/again?next={stale.path}")
    assert urlsplit(str(back.response.url)).path == stale.path
    stale.client.forget_token()
    assert press(stale, member, path, DANGEROUS[path], htmx).status in (200, 303)


@htmx_and_not
def test_who_has_no_mailbox_yet_puts_one_in_at_once(
    portal: Portal, stale: Owner, member: Account, htmx: bool
) -> None:
    """A provider that says nothing of the password would keep them out for good: a code goes nowhere."""
    Recipient.update(verified_at=None).where(Recipient.person == stale.person).execute()

    assert press(stale, member, "recipients", {"recipient": NEW}, htmx).status == (200 if htmx else 303)
    asked = press(stale, member, "switch", {"to": "off-later"}, htmx)
    assert (asked.header("HX-Redirect") if htmx else asked.location) == f"/login/again?next={stale.path}"


@htmx_and_not
@pytest.mark.parametrize("path", HARMLESS)
def test_other_choices_do_not(portal: Portal, stale: Owner, member: Account, path: str, htmx: bool) -> None:
    assert press(stale, member, path, HARMLESS[path], htmx).status == (200 if htmx else 303)
