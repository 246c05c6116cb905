"""What an owner chooses on the address page, its history, and what is said of trouble."""

import json
from datetime import date, timedelta

import pytest

from core.audit import OPERATOR, Actor, record
from core.database import utc_now, write
from core.models import Alias, AuditEntry, AuditValue, DeliveryCount, Recipient
from core.routing import Entitlement, Hold
from devtools.accounts import Account
from tests.app.owner import Owner, assert_form
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import nothing_created

htmx_and_not = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])

SECOND = "second@mail.example.org"


def stored(owner: Owner) -> Alias:
    """The alias as it is now."""
    return Alias.get_by_id(owner.alias.id)


# -- choices ---------------------------------------------------------------------------------------

CHOICES = {
    "order": ({"order": "first"}, "delivery_order", "first"),
    "sub-addresses": ({"to": "on"}, "keeps_tag", True),
    "label": ({"label": "  for   lists "}, "label", "for lists"),
    "switch": ({"to": "off-refused"}, "switch", "off-refused"),
}


@htmx_and_not
@pytest.mark.parametrize("what", CHOICES)
def test_a_choice_is_kept_and_the_focus_goes_there(
    each_portal: Portal, owner: Owner, what: str, htmx: bool
) -> None:
    owner.add(SECOND)
    fields, name, value = CHOICES[what]

    answer = owner.press(what, htmx, **fields)

    assert getattr(stored(owner), name) == value
    if htmx:
        part = assert_form(answer, htmx)
        [focused] = [one for one in part.elements() if one.get("autofocus") is not None]
        assert (focused["id"], focused["tabindex"]) == (what, "-1")
        assert answer.page.one(hx_swap_oob="innerHTML:#announce").text == "Saved."
    else:
        assert (answer.status, answer.location) == (303, f"{owner.path}#{what}")
        page = owner.client.get(owner.path)
        assert page.page.one("p", class_="flash").text == "Saved."
        assert page.page.all(id=what)
        assert faults_of(page.page) == []
        assert owner.client.get(owner.path).page.all("p", class_="flash") == []


@htmx_and_not
@pytest.mark.parametrize(
    ("what", "fields"),
    [("order", {"order": "last"}), ("order", {}), ("sub-addresses", {"to": "x"}), ("sub-addresses", {})],
)
def test_a_choice_that_is_not_offered_changes_nothing(
    portal: Portal, owner: Owner, what: str, fields: dict[str, str], htmx: bool
) -> None:
    with nothing_created():
        assert owner.press(what, htmx, **fields).status == 400


@htmx_and_not
def test_a_label_that_is_too_long_is_refused_beside_the_field(
    portal: Portal, owner: Owner, htmx: bool
) -> None:
    typed = "x" * 101

    with nothing_created():
        answer = owner.press("label", htmx, label=typed)

    assert answer.status == 422
    field = assert_form(answer, htmx).one("input", id="label-text")
    assert (field["value"], field["aria-invalid"]) == (typed, "true")
    assert "at most 100 characters" in answer.page.one(id=field["aria-describedby"]).text


def test_a_label_is_text_on_every_page(portal: Portal, owner: Owner) -> None:
    owner.press("label", label="<b>lists</b>")

    for path in ("/home", owner.path):
        page = owner.client.get(path)
        assert "<b>lists</b>" in page.text
        assert page.page.all("b") == []


def test_with_one_mailbox_there_is_no_order_to_choose(portal: Portal, owner: Owner) -> None:
    assert owner.client.get(owner.path).page.all("form", action=f"{owner.path}/order") == []


def test_off_later_says_until_when(portal: Portal, owner: Owner) -> None:
    owner.press("switch", to="off-later")
    until = utc_now() + timedelta(days=3)

    for path in ("/home", owner.path):
        assert f"off, senders try later until {until:%-d %b %Y}" in owner.client.get(path).text
    said = owner.client.get(owner.path).text
    assert f"Senders are asked to try later until {until:%-d %b %Y}" in said


# -- history ---------------------------------------------------------------------------------------


def test_the_history_says_in_words_who_did_what(portal: Portal, owner: Owner, member: Account) -> None:
    owner.add(SECOND)
    second = owner.recipient(SECOND).id
    owner.change("up", second)
    owner.change("remove", second)
    owner.press("label", label="Lists")
    owner.press("label", label="")
    owner.press("sub-addresses", to="on")
    owner.press("switch", to="off-later")
    owner.press("switch", to="on")
    with write():
        record(OPERATOR, "alias-mended", {"alias": owner.alias.id}, {}, utc_now())
        record(Actor("job:x"), "alias-mended", {"alias": owner.alias.id}, {}, utc_now())

    items = [one.text for one in owner.client.get(owner.path).page.one("ol", class_="history").all("li")]

    whats = [one.rpartition(" UTC")[0][:-18].strip() for one in items]
    whos = [one.rpartition(" UTC , ")[2] for one in items]
    assert whats == [
        *("Changed: alias-mended", "Changed: alias-mended"),
        *("It was switched on.", "It was switched off; senders try later."),
        *("Mailboxes get the part after a +.", "Its label was removed.", "Its label is “Lists” now."),
        *(f"{SECOND} was removed.", "The order of the mailboxes was changed.", f"{SECOND} was added."),
        *(f"It was claimed. Mail goes to {member.email}.", f"{member.email} was confirmed by signing in."),
    ]
    assert whos == ["automatically", "an admin", *["you"] * 10]


def test_every_entry_about_an_address_that_the_portal_makes_has_words(portal: Portal, owner: Owner) -> None:
    from app.portal import words

    verbs = {
        entry.verb
        for entry in AuditEntry.select()
        if {"alias", "recipient"} & json.loads(entry.subject_ids).keys() and entry.verb != "alias-mended"
    }
    known = {*words._CHANGES, *(verb for verb, _ in words._CHOICES), "alias-switched", "recipients-set"}

    assert verbs <= known


def test_a_change_whose_values_were_erased_is_a_sentence_all_the_same(portal: Portal, owner: Owner) -> None:
    entries = AuditEntry.select(AuditEntry.id).where(AuditEntry.verb == "alias-claimed")
    AuditValue.delete().where(AuditValue.entry.in_(entries)).execute()

    assert "It was claimed. Mail goes to …." in owner.client.get(owner.path).text


# -- trouble ---------------------------------------------------------------------------------------


@pytest.fixture
def failing(owner: Owner, member: Account) -> Recipient:
    """The owner's mailbox refuses mail for itself since yesterday."""
    recipient = owner.recipient(str(member.email))
    recipient.failing_since, recipient.failing_with = utc_now() - timedelta(days=1), "5.2.2"
    recipient.save()
    return recipient


def test_a_failing_mailbox_is_said_on_every_page_with_our_own_sentence(
    portal: Portal, owner: Owner, failing: Recipient
) -> None:
    since = f"{failing.failing_since:%-d %b %Y}"

    for path in ("/home", owner.path, "/recipients/verify/x", "/nowhere"):
        banner = owner.client.get(path).page.one("div", class_="banner")
        assert f"Mail for {owner.alias.text} does not reach {failing.address}" in banner.text
        assert "its server says that the mailbox is full. Since" in banner.text
        assert since in banner.text
        assert banner.one("a")["href"] == f"{owner.path}#recipients"
    said = owner.client.get(owner.path).page.one("ol", class_="recipients").text
    assert f"{failing.address} failing Mail does not arrive there: its server says that the mailbox" in said


def test_the_banner_goes_with_what_it_speaks_of(portal: Portal, owner: Owner, failing: Recipient) -> None:
    gone = owner.change("remove", failing.id, htmx=True)

    assert gone.page.one(hx_swap_oob="innerHTML:#banner").text == ""
    assert owner.client.get("/home").page.all("div", class_="banner") == []


def test_nobody_else_sees_the_banner(
    portal: Portal, owner: Owner, failing: Recipient, new_client, new_person
) -> None:
    other = new_client()
    other.sign_in(new_person().name)

    assert failing.address not in other.get("/home").text
    assert other.get("/home").page.all("div", class_="banner") == []
    assert new_client().get("/").page.all("div", class_="banner") == []


def test_refused_messages_are_counted_by_class(portal: Portal, owner: Owner, member: Account) -> None:
    recipient, today = owner.recipient(str(member.email)), date.fromisoformat(f"{utc_now():%Y-%m-%d}")
    for event, enhanced, day, count in (
        ("refused-message", "5.7.1", today, 3),
        ("refused-message", "5.7.26", today - timedelta(days=2), 4),
        ("refused-message", "5.3.4", today - timedelta(days=40), 5),
        ("delivered", "", today, 99),
    ):
        DeliveryCount.create(recipient=recipient, day=str(day), event=event, enhanced=enhanced, count=count)

    table = owner.client.get(owner.path).page.one("table")

    assert [[cell.text for cell in row.all("td")] for row in table.one("tbody").all("tr")] == [
        [member.email, "taken for spam, or its sender failed the server's checks", "7", f"{today:%-d %b %Y}"]
    ]


def test_without_refusals_there_is_no_table(portal: Portal, owner: Owner) -> None:
    page = owner.client.get(owner.path).page

    assert page.all("table") == []
    assert "None in the last 30 days." in page.text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"hold": Hold.ADMIN}, "An admin has suspended this address."),
        ({"hold": Hold.LAUNCHPAD}, "Your account is suspended."),
        (
            {"entitlement": Entitlement.ENDED},
            "You are no longer entitled to it, and its time of grace is over.",
        ),
    ],
)
def test_a_held_or_ended_address_says_why_and_whom_to_ask(
    portal: Portal, owner: Owner, fields: dict[str, object], sentence: str
) -> None:
    Alias.update(**fields).where(Alias.id == owner.alias.id).execute()

    page = owner.client.get(owner.path).page
    assert sentence in page.text
    [link] = [one for one in page.one("section", id="address").all("a") if one.text == "Write to the admins"]
    assert link["href"] == "mailto:ops@ops.example.net"


def test_an_address_in_its_time_of_grace_says_until_when(portal: Portal, owner: Owner) -> None:
    until = utc_now() + timedelta(days=20)
    Alias.update(entitlement=Entitlement.GRACE, grace_until=until).where(Alias.id == owner.alias.id).execute()

    for path in ("/home", owner.path):
        assert f"works until {until:%-d %b %Y}" in owner.client.get(path).text


def test_the_page_says_plainly_that_one_cannot_send_from_it_yet(portal: Portal, owner: Owner) -> None:
    assert "Sending from this address Not offered yet" in owner.client.get(owner.path).text
