"""Where an address's mail goes: adding, ordering, taking out and asking again, with HTMX and without."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from core.database import utc_now
from core.models import Alias, AliasRecipient, Notice, Recipient
from core.recipients import MAX_RECIPIENTS
from devtools.accounts import Account
from tests.app.owner import Owner, assert_form
from tests.support.arrange import make_recipient
from tests.support.portal import Portal
from tests.support.records import nothing_created
from tests.support.webclient import Answer, Client

MakePerson = Callable[..., Account]
NewClient = Callable[[], Client]

htmx_and_not = pytest.mark.parametrize("htmx", [False, True], ids=["plain", "htmx"])

OUR_SPELLINGS = [
    "ada@ubuntu.com",
    "ADA@Ubuntu.Com.",
    "ada+x@ubuntu.com",
    '"ada"@ubuntu.com',
    "ada@kubuntu.org",
    "ada@ｕｂｕｎｔｕ.com",
    "ada@UBUNTU。com",
    " ada@ubuntu.com ",
    '"a b"@ubuntu.com',
    '"ada@evil.example> ORCPT=x@y"@ubuntu.com',
    "ada%evil.example@ubuntu.com",
    "ada@evil.example@ubuntu.com",
    "<ada@ubuntu.com>",
    "<@evil.example:ada@ubuntu.com>",
    "postmaster@ubuntu.com",
    "ünïcode@ubuntu.com",
]
NO_ADDRESSES = [
    "",
    " ",
    "ada",
    "ada@",
    "@home.example.net",
    "postmaster",
    "ada@localhost",
    "ada@[192.0.2.1]",
    "ada@192.0.2.1",
    "ada@home.example.net\r\nRCPT TO:<x@evil.example>",
    "ada@home.example.net\nCc: y@evil.example",
    "ada\x00@home.example.net",
    "ada@home.example.net, y@evil.example",
    "ada@home.example.net y@evil.example",
    "ada..x@home.example.net",
    ".ada@home.example.net",
    '"ada@home.example.net',
    "ada@-home.example.net",
    "ada@home..example.net",
    "ada@home.example.net..",
    "x" * 65 + "@home.example.net",
    "ada@" + "x" * 64 + ".example.net",
    "ada@" + ".".join(["x" * 60] * 5),
    "ada@home.example.net" + "x" * 5000,
    "\u202eada@home.example.net",
    "mailto:ada@home.example.net",
    "Ada <ada@home.example.net>",
]


# -- adding --------------------------------------------------------------------------------------


@htmx_and_not
def test_a_second_recipient_waits_for_its_owner(
    each_portal: Portal, owner: Owner, member: Account, htmx: bool
) -> None:
    answer = owner.add("second@mail.example.org", htmx)

    if htmx:
        assert answer.status == 200
        part = assert_form(answer, htmx)
    else:
        assert (answer.status, answer.location) == (303, f"{owner.path}#recipients")
        part = assert_form(owner.client.get(owner.path), htmx)
    second = part.one("ol", class_="recipients").all("li")[1]
    assert "second@mail.example.org not confirmed yet" in second.text
    assert "Open the link in the mail we sent there just now" in second.text
    assert part.one("input", id="new-recipient").get("aria-invalid") is None
    assert owner.addresses == [member.email, "second@mail.example.org"]
    recipient = owner.recipient("second@mail.example.org")
    assert (
        Notice.select().where(Notice.recipient == recipient, Notice.kind == "verify-recipient").count() == 1
    )


def assert_refused_beside_the_field(answer: Answer, htmx: bool, sentence: str, typed: str) -> None:
    """Hold that eyes, ears and keyboard find out what is wrong, and that nothing typed is lost."""
    assert answer.status == 422, typed
    part = assert_form(answer, htmx)
    field = part.one("input", id="new-recipient")
    assert field["aria-invalid"] == "true"
    assert field.get("autofocus") is not None
    said = part.one(id=field["aria-describedby"])
    assert said["role"] == "alert"
    assert sentence in said.text
    if "\x00" not in typed:  # which no page can carry
        assert field["value"].split() == typed.split()


@htmx_and_not
def test_an_address_of_ours_in_any_spelling_is_refused(portal: Portal, owner: Owner, htmx: bool) -> None:
    with nothing_created():
        for typed in OUR_SPELLINGS:
            assert_refused_beside_the_field(owner.add(typed, htmx), htmx, "", typed)


def test_the_sentence_says_that_mail_would_run_in_a_circle(portal: Portal, owner: Owner) -> None:
    for typed in OUR_SPELLINGS[:8]:
        assert "Mail would run in a circle." in owner.add(typed, htmx=True).text, typed


def test_what_is_no_address_is_refused(portal: Portal, owner: Owner) -> None:
    with nothing_created():
        for typed in NO_ADDRESSES:
            assert_refused_beside_the_field(owner.add(typed, htmx=True), True, "", typed)


def test_without_the_field_nothing_is_added(portal: Portal, owner: Owner) -> None:
    with nothing_created():
        assert owner.press("recipients").status == 422


@htmx_and_not
@pytest.mark.parametrize(
    "form", ["{}", "{upper}", " {} ", '"{local}"@home.example.net', "{local}@HOME.example.NET."]
)
def test_a_recipient_that_is_there_already_is_refused(
    portal: Portal, owner: Owner, member: Account, form: str, htmx: bool
) -> None:
    email = str(member.email)
    typed = form.format(email, upper=email.upper(), local=email.partition("@")[0])

    with nothing_created():
        answer = owner.add(typed, htmx)

    assert_refused_beside_the_field(answer, htmx, "Mail for this address goes there already.", typed)


@htmx_and_not
def test_the_sixth_is_refused(portal: Portal, owner: Owner, htmx: bool) -> None:
    for number in range(MAX_RECIPIENTS - 1):
        assert owner.add(f"r{number}@mail.example.org").status == 303
    page = owner.client.get(owner.path).page
    assert page.all("input", id="new-recipient") == []

    with nothing_created():
        answer = owner.add("sixth@mail.example.org", htmx)

    assert answer.status == 422
    assert_form(answer, htmx)
    assert "An address has at most 5 recipients. Take one out first." in answer.text
    assert answer.page.one(role="alert")


def test_many_at_once_are_five_at_most(each_portal: Portal, owner: Owner, new_client: NewClient) -> None:
    answers: list[int] = []

    def add(number: int, tab: Client) -> None:
        tab.http.cookies = owner.client.http.cookies
        tab._token = owner.client.token()
        answers.append(
            tab.post(f"{owner.path}/recipients", {"recipient": f"r{number}@mail.example.org"}).status
        )

    threads = [threading.Thread(target=add, args=(number, new_client())) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(answers) == [303] * 4 + [422] * 8
    assert len(owner.addresses) == MAX_RECIPIENTS
    positions = AliasRecipient.select().where(AliasRecipient.alias == owner.alias)
    assert len({row.position for row in positions}) == MAX_RECIPIENTS


def test_a_proven_recipient_of_ones_own_needs_no_second_proof(portal: Portal, owner: Owner) -> None:
    make_recipient(owner.person, utc_now(), "known@mail.example.org")
    mails = Notice.select().count()

    owner.add("KNOWN@mail.example.org")

    assert owner.addresses[1] == "known@mail.example.org"
    new = [notice.kind for notice in Notice.select().order_by(Notice.id).offset(mails)]
    assert new == ["recipients-changed"] * 2


def test_what_another_person_has_proven_proves_nothing_here(
    portal: Portal, owner: Owner, new_client: NewClient, new_person: MakePerson
) -> None:
    other = new_person()
    new_client().sign_in(other.name)

    owner.add(str(other.email))

    assert owner.recipient(str(other.email)).verified_at is None


def test_an_international_address_is_kept_as_it_is(portal: Portal, owner: Owner) -> None:
    owner.add("grüße@bücher.example")

    assert owner.addresses[1] == "grüße@xn--bcher-kva.example"


def test_markup_in_an_address_stays_text(portal: Portal, owner: Owner) -> None:
    owner.add('"<img src=x onerror=alert(1)>"@mail.example.org')

    page = owner.client.get(owner.path)
    assert "<img src=x" not in page.html
    assert "<img src=x" in page.text


# -- order and taking out ------------------------------------------------------------------------


@htmx_and_not
def test_a_recipient_moves_up(portal: Portal, owner: Owner, member: Account, htmx: bool) -> None:
    owner.add("b@mail.example.org")
    owner.add("c@mail.example.org")

    answer = owner.change("up", owner.recipient("c@mail.example.org").id, htmx)

    assert owner.addresses == [member.email, "c@mail.example.org", "b@mail.example.org"]
    if htmx:
        items = assert_form(answer, htmx).one("ol", class_="recipients").all("li")
        assert [li.all(class_="address")[0].text for li in items] == owner.addresses
    else:
        third = owner.recipient("c@mail.example.org").id
        assert (answer.status, answer.location) == (303, f"{owner.path}#recipient-{third}")


def test_the_first_cannot_move_up(portal: Portal, owner: Owner, member: Account) -> None:
    owner.add("b@mail.example.org")
    with nothing_created():
        owner.change("up", owner.recipient(str(member.email)).id)

    assert owner.addresses == [member.email, "b@mail.example.org"]


@htmx_and_not
def test_a_recipient_is_taken_out(portal: Portal, owner: Owner, member: Account, htmx: bool) -> None:
    owner.add("b@mail.example.org")

    answer = owner.change("remove", owner.recipient(str(member.email)).id, htmx)

    assert owner.addresses == ["b@mail.example.org"]
    assert answer.status == (200 if htmx else 303)
    assert "waits for a confirmed mailbox" in owner.client.get(owner.path).text


@htmx_and_not
def test_without_any_recipient_the_page_says_what_happens(
    portal: Portal, owner: Owner, member: Account, htmx: bool
) -> None:
    owner.change("remove", owner.recipient(str(member.email)).id, htmx)

    assert "Nobody. Mail to this address is not delivered." in owner.client.get(owner.path).text
    assert "Mail goes to nobody" in owner.client.get("/home").text


@htmx_and_not
@pytest.mark.parametrize("action", ["remove", "up", "down"])
def test_what_is_no_recipient_of_it_changes_nothing(
    portal: Portal, owner: Owner, action: str, htmx: bool
) -> None:
    with nothing_created():
        for recipient in ("", "0", "-1", "x", "9" * 30, "999999"):
            answer = owner.change(action, recipient, htmx)
            assert answer.status in (200, 303, 404)


@htmx_and_not
@pytest.mark.parametrize("action", ["remove", "up", "down"])
def test_another_persons_recipient_is_not_touched(
    portal: Portal,
    owner: Owner,
    new_client: NewClient,
    new_person: MakePerson,
    member: Account,
    action: str,
    htmx: bool,
) -> None:
    theirs = Owner(new_client(), new_person("ubuntumembers"))
    theirs.add("theirs@mail.example.org")
    foreign = theirs.recipient("theirs@mail.example.org").id

    with nothing_created():
        moved = owner.change(action, foreign, htmx)
        assert owner.press(f"recipients/{foreign}/resend", htmx).status == 404

    assert "theirs@mail.example.org" not in moved.text
    assert owner.addresses == [member.email]
    assert theirs.addresses[1] == "theirs@mail.example.org"


def test_an_unknown_action_changes_nothing(portal: Portal, owner: Owner, member: Account) -> None:
    owner.add("b@mail.example.org")
    second = owner.recipient("b@mail.example.org").id

    for way in ("sideways", "", "UP"):
        assert owner.change(way, second).status == 400

    assert owner.addresses == [member.email, "b@mail.example.org"]


def test_two_tabs_that_take_out_at_once_both_count(
    each_portal: Portal, owner: Owner, new_client: NewClient, member: Account
) -> None:
    names = [f"r{number}@mail.example.org" for number in range(4)]
    for name in names:
        owner.add(name)
    statuses: list[int] = []
    start = threading.Barrier(len(names))

    def take_out(name: str, tab: Client) -> None:
        tab.http.cookies = owner.client.http.cookies
        tab._token = owner.client.token()
        start.wait(30)
        statuses.append(tab.post(f"{owner.path}/recipients/{ids[name]}/remove").status)

    ids = {name: owner.recipient(name).id for name in names}
    threads = [threading.Thread(target=take_out, args=(name, new_client())) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert statuses == [303] * 4
    assert owner.addresses == [member.email]


# -- asking again --------------------------------------------------------------------------------


@htmx_and_not
def test_a_second_mail_can_be_had_after_a_minute(portal: Portal, owner: Owner, htmx: bool) -> None:
    owner.add("b@mail.example.org")
    recipient = owner.recipient("b@mail.example.org")
    old = recipient.proof_nonce
    Recipient.update(proof_sent_at=utc_now() - timedelta(minutes=2)).where(
        Recipient.id == recipient.id
    ).execute()

    answer = owner.press(f"recipients/{recipient.id}/resend", htmx)

    assert answer.status == (200 if htmx else 303)
    assert owner.recipient("b@mail.example.org").proof_nonce != old
    assert Notice.select().where(Notice.recipient == recipient).count() == 2


@htmx_and_not
def test_a_second_mail_within_a_minute_is_refused(portal: Portal, owner: Owner, htmx: bool) -> None:
    owner.add("b@mail.example.org")
    recipient = owner.recipient("b@mail.example.org")

    with nothing_created():
        answer = owner.press(f"recipients/{recipient.id}/resend", htmx)

    assert answer.status == 429
    part = assert_form(answer, htmx)
    item = part.one("ol", class_="recipients").all("li")[1]
    assert (
        item.one(role="alert").text == "A mail was sent less than a minute ago. Look at the junk folder too."
    )
    assert part.one("input", id="new-recipient").get("aria-invalid") is None


def test_a_proven_recipient_gets_no_second_mail(portal: Portal, owner: Owner, member: Account) -> None:
    with nothing_created():
        answer = owner.press(f"recipients/{owner.recipient(str(member.email)).id}/resend")

    assert answer.status == 404


def test_a_mailbox_that_refused_our_mail_says_so(portal: Portal, owner: Owner) -> None:
    owner.add("b@mail.example.org")
    recipient = owner.recipient("b@mail.example.org")
    Recipient.update(proof_refused="5.1.1").where(Recipient.id == recipient.id).execute()

    said = owner.client.get(owner.path).text
    assert "its server refused our mail" in said
    assert "but its server says that there is no such mailbox (5.1.1)." in said
    assert "junk" not in said


def test_nobody_can_have_mails_sent_to_the_whole_world(portal: Portal, owner: Owner, member: Account) -> None:
    """Add, take out, add: each new address gets a mail from us."""
    statuses = []
    for number in range(40):
        statuses.append(owner.add(f"victim{number}@mail.example.org").status)
        found = Recipient.get_or_none(Recipient.address == f"victim{number}@mail.example.org")
        if found is not None:
            owner.change("remove", found.id)
        if statuses[-1] != 303:
            break

    assert statuses[-1] in (422, 429)


# -- whose address it is -------------------------------------------------------------------------

ACTIONS = {
    "recipients": {"recipient": "evil@mail.example.org"},
    "recipients/1/remove": {},
    "recipients/1/move": {"way": "up"},
    "recipients/1/replace": {"recipient": "evil@mail.example.org"},
    "recipients/1/resend": {},
    "order": {"order": "first"},
    "sub-addresses": {"to": "on"},
    "label": {"label": "x"},
    "test": {},
    "switch": {"to": "off-refused"},
    "give-up": {"confirm": "x"},
}


@htmx_and_not
@pytest.mark.parametrize("action", ACTIONS)
def test_another_persons_address_is_not_found(
    portal: Portal, owner: Owner, new_client: NewClient, new_person: MakePerson, action: str, htmx: bool
) -> None:
    theirs = Owner(new_client(), new_person("ubuntumembers"))
    path = theirs.path
    fields = ACTIONS[action] | ({"confirm": theirs.alias.text} if action == "give-up" else {})

    with nothing_created():
        answer = owner.client.post(f"{path}/{action}", fields, on=path if htmx else "")
        page = owner.client.get(path, on=path if htmx else "")

    assert (answer.status, page.status) == (404, 404)
    assert theirs.alias.text not in answer.text + page.text
    assert Alias.get_by_id(theirs.alias.id).switch == "on"


@pytest.mark.parametrize("number", ["0", "999999", "9" * 30, "-1", "x", "1.0", "%31%30%30%30%30%30"])
def test_an_address_that_is_not_there_is_not_found(
    portal: Portal, client: Client, member: Account, number: str
) -> None:
    client.sign_in(member.name)

    assert client.get(f"/addresses/{number}").status == 404
    assert client.post(f"/addresses/{number}/switch", {"to": "on"}).status == 404
