"""core.letters"""

import re
from datetime import UTC, datetime
from email.message import EmailMessage
from html import unescape
from pathlib import Path

import pytest

from core.addresses import parse_address
from core.aliases import switch
from core.daily import tell_daily
from core.database import write
from core.facts import Answer
from core.fresh import enter_code, send_code
from core.letters import Letter, write_letter, write_test_mail
from core.lifecycle import Event
from core.models import Alias, AliasOwner, DkimKey, Domain, Notice, Person, Recipient, Session, Waiver
from core.notices import tell_admins, tell_goodbye, tell_ops, tell_owner, tell_person, tell_recipient
from core.problems import report
from core.recipients import add_recipient, resend_proof, verify_recipient
from core.routing import Entitlement, Hold, Switch
from core.sessions import open_session
from core.standing import store_account_facts, store_memberships
from core.sync import clean_name
from core.takeover import send_code as send_takeover_code
from tests.support.arrange import (
    TEAM,
    later,
    make_alias,
    make_domain,
    make_kept,
    make_member,
    make_person,
    make_recipient,
    make_waiver,
)
from tests.support.letters import read_mail

TEMPLATES = Path(__file__).parents[3] / "core" / "templates" / "letters"
HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
    *("MIME-Version", "Content-Type"),
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """On SQLite only: what a letter says does not come from the database engine."""
    return sqlite_url


@pytest.fixture
def ada(db, now) -> Person:
    return make_member(now)


@pytest.fixture
def alias(ada, now) -> Alias:
    return make_alias(ada, make_domain(now), now, recipients=[ada.recipients.get()])


@pytest.fixture
def write_one(settings, now):
    """Render the one notice in the outbox."""
    return lambda moment=now: write_letter(Notice.get(), settings, moment)


def make_key(now, selector: str) -> DkimKey:
    """A key that was missing in DNS and has retired."""
    moments = dict.fromkeys(("created_at", "published_at", "retired_at", "missing_since"), now)
    return DkimKey.create(
        domain="proj.example", selector=selector, algorithm="rsa", record="v=DKIM1; p=", **moments
    )


def parse(letter: Letter | None) -> EmailMessage:
    """Read a letter as a mail program does, and see that its header is what it must be."""
    assert letter is not None
    head, _, body = letter.message.partition(b"\r\n\r\n")
    assert b"\n" not in head.replace(b"\r\n", b"")
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert max(map(len, letter.message.splitlines())) <= 998
    assert b"\n" not in body.replace(b"\r\n", b"")
    message = read_mail(letter.message)
    names = [name for name, _ in message.items()]
    assert len(names) == len(set(names))
    assert set(names) == HEADERS
    assert message.defects == []
    assert len(message["To"].addresses) == len(message["From"].addresses) == 1
    return message


OF_AN_ACCOUNT = (
    *("waiver-asked", "waiver-granted", "waiver-refused", "waiver-ends"),
    *("sign-in-code", "takeover-code", "account-deleted", "role-address-ends"),
)

OF_THE_SERVICE = ("problems", "daily", "relay-refused", "signing-key-in-use", "signing-key-missing")

OF_A_DOMAIN = ("domain-record-missing", "domain-closed")

OF_ADMINS = (
    *("address-held", "address-lifted", "address-ended", "address-moved-away", "address-moved-here"),
    *("role-address-owner", "role-address-left", "role-address-empty"),
)
"""What admins did to an address."""

NOTICES = [
    *("verify-recipient", "address-created", "identity-joined", "name-taken-over"),
    *("recipient-failing", "recipient-left-out"),
    *("address-made", "address-made-off", "later-ends"),
    *OF_THE_SERVICE,
    *OF_A_DOMAIN,
    *OF_AN_ACCOUNT,
    "taken-over",
    *("recipients-changed", "recipient-removed"),
    *OF_ADMINS,
    *Event,
]

LIVES: dict[Event, dict[str, object]] = {
    Event.GRACE_STARTED: {"entitlement": Entitlement.GRACE},
    Event.GRACE_14_DAYS: {"entitlement": Entitlement.GRACE},
    Event.GRACE_2_DAYS: {"entitlement": Entitlement.GRACE},
    Event.GRACE_LIFTED: {"entitlement": Entitlement.ENTITLED, "grace_until": None},
    Event.ENDED: {"entitlement": Entitlement.ENDED},
    Event.SUSPENDED: {"hold": Hold.LAUNCHPAD},
    Event.SUSPENSION_LIFTED: {"hold": Hold.NONE},
}
"""How an alias is when its owner is told of an event."""


def tell_of(event: Event, ada: Person, alias: Alias, now: datetime) -> None:
    """Put an alias into the state of an event, and the notice of it into the outbox."""
    until = later(now, days=90)
    Alias.update({"grace_until": until} | LIVES[event]).execute()
    ids = {"alias": alias.id, "person": ada.id, "until": int(until.timestamp())}
    tell_person(ada, event, ids, "key", now)


def tell_of_an_account(kind: str, ada: Person, alias: Alias, now: datetime) -> None:
    """Put a notice on somebody's account or request, or on a domain's proof, into the outbox."""
    if kind in OF_A_DOMAIN:
        closed = now if kind == "domain-closed" else None
        Domain.update(proof_missing_since=now, closed_at=closed).execute()
        tell_admins(alias.domain, kind, None, {"domain": alias.domain.id}, "key", now)
    elif kind == "sign-in-code":
        with write():
            open_session(ada, now, asked_anew=True)
        send_code(Session.get().id, now)
    elif kind == "takeover-code":
        send_takeover_code(ada.id, make_kept(alias.domain, now, "kept", "ada").id, now)
    elif kind == "account-deleted":
        tell_goodbye(["ada@home.example.net"], now)
    elif kind == "role-address-ends":
        until = later(now, days=10)
        AliasOwner.create(alias=alias, person=ada, grace_until=until)
        tell_person(ada, kind, {"alias": alias.id, "until": int(until.timestamp())}, "key", now)
    elif kind == "waiver-ends":
        until = later(now, days=10)
        waiver = make_waiver(ada, alias.domain, now, state="granted", ends_at=until)
        tell_person(ada, kind, {"waiver": waiver.id, "until": int(until.timestamp())}, "key", now)
    else:
        waiver = make_waiver(ada, alias.domain, now, answer="Not yet.")
        tell_ops(kind, ada, {"waiver": waiver.id}, "key", now)


def tell_of_the_service(kind: str, ada: Person, now: datetime) -> None:
    """Put a notice for the operators into the outbox."""
    if kind == "problems":
        with write():
            report("sync-person", f"person {ada.id}", "status 503", now, ada)
    elif kind == "daily":
        tell_daily(now)
    elif kind == "relay-refused":
        tell_ops(kind, None, {}, "about-us:2026-11-26:5.7.1:home.example.net", now)
    else:
        old, key = [make_key(now, selector) for selector in ("old", "new")]
        tell_ops(kind, None, {"key": key.id, "old_key": old.id}, "key", now)


@pytest.fixture(params=NOTICES)
def kind(request, ada, alias, now) -> str:
    """Put one notice of each kind that there is into the outbox."""
    tell(request.param, ada, alias, now)
    return request.param


def tell(kind: str, ada: Person, alias: Alias, now: datetime) -> None:
    if kind == "verify-recipient":
        add_recipient(ada.id, alias.id, "new@work.example.net", now)
    elif kind == "address-created":
        tell_admins(alias.domain, kind, ada, {"alias": alias.id}, "key", now)
    elif kind == "identity-joined":
        tell_person(ada, kind, {"person": ada.id}, "key", now)
    elif kind == "name-taken-over":
        newcomer = make_person(now, "newcomer")
        tell_ops(kind, newcomer, {"person": ada.id, "newcomer": newcomer.id}, "key", now)
    elif kind == "later-ends":
        switch(ada.id, alias.id, Switch.OFF_LATER, now)
    elif kind in ("address-made", "address-made-off", *OF_ADMINS):
        tell_person(ada, kind, {"alias": alias.id}, "key", now)
    elif kind in list(Event):
        tell_of(Event(kind), ada, alias, now)
    elif kind in OF_THE_SERVICE:
        tell_of_the_service(kind, ada, now)
    elif kind in (*OF_A_DOMAIN, *OF_AN_ACCOUNT):
        tell_of_an_account(kind, ada, alias, now)
    else:
        ids = {"recipient": ada.recipients.get().id, "alias": alias.id}
        tell_person(ada, kind, ids, "key", now)


def test_each_kind_is_a_whole_mail(kind, write_one, settings, now):
    message = parse(write_one())

    assert message["From"].addresses[0].addr_spec == settings.mail_from
    assert message["From"].addresses[0].display_name == settings.project_name
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == now
    assert len(message["Subject"]) > 10
    assert len(message.get_content().split()) > 5


def test_each_kind_goes_where_its_notice_says(kind, write_one, settings):
    letter = write_one()

    notice = Notice.get()
    assert letter.to == (
        notice.recipient.address if notice.recipient else notice.address or settings.ops_address
    )
    assert parse(letter)["To"].addresses[0].addr_spec == letter.to


def test_a_second_try_is_the_same_message(kind, write_one, now):
    hours = 0.1 if kind.endswith("-code") else 30
    assert write_one(later(now, hours=hours)) == write_one(now)


def test_every_template_is_tried_here():
    assert {path.stem for path in TEMPLATES.glob("*.txt")} == {*NOTICES, "test-mail"}


def test_a_test_mail_is_a_whole_mail_to_the_address_and_each_is_another(alias, settings, now):
    letters = [write_test_mail(alias, settings, now) for _ in range(2)]

    message = parse(letters[0])
    assert letters[0].to == message["To"].addresses[0].addr_spec == "ada@proj.example"
    assert message["Subject"] == "Test mail for ada@proj.example"
    assert "on 2026-11-26 12:00 UTC:" in " ".join(message.get_content().split())
    assert message["Auto-Submitted"] == "auto-generated"
    assert parse(letters[1])["Message-ID"] != message["Message-ID"]


def test_each_notice_has_a_message_id_of_its_own(ada, alias, settings, now):
    for number in range(3):
        tell_ops("address-created", ada, {"alias": alias.id}, f"key{number}", now)

    ids = {parse(write_letter(notice, settings, now))["Message-ID"] for notice in Notice.select()}
    assert len(ids) == 3
    assert all(re.fullmatch(r"<[0-9a-f]{40}@srs\.proj\.example>", one) for one in ids)


def test_each_kind_is_also_a_page_that_says_the_same(kind, write_one):
    message = parse(write_one())
    words = re.sub(r"<[^>]*>", " ", message.html.partition("</head>")[2])

    assert unescape(words).split() == re.sub(r"^- ", "", message.get_content(), flags=re.M).split()


def test_with_a_roster_no_letter_speaks_of_launchpad(kind, ada, alias, settings, now):
    lose(ada, now, valid=Answer.NO)
    roster = settings.model_copy(update={"directory": "roster"})
    message = parse(write_letter(Notice.get(), roster, now))

    assert "Launchpad" not in message["Subject"] + message.get_content() + message.html


# -- each kind ------------------------------------------------------------------------------------


def test_admins_are_told_of_a_new_address(ada, alias, write_one, now):
    tell_admins(alias.domain, "address-created", ada, {"alias": alias.id}, "key", now)
    message = parse(write_one())

    assert message["Subject"] == "New @proj.example email address created"
    assert "ada@proj.example was claimed by Ada" in message.get_content()


def test_a_recipient_is_told_where_the_mail_goes_of_all_addresses_that_reach_it(ada, alias, write_one, now):
    first = ada.recipients.get()
    second = make_recipient(ada, now, "second@work.example.net")
    unproven = make_recipient(ada, now, "unproven@work.example.net", proven=False)
    make_alias(ada, alias.domain, now, "ada-old", recipients=[second, first, unproven])
    make_alias(ada, alias.domain, now, "ada-other", recipients=[second])
    tell_recipient(first, "recipients-changed", {"alias": alias.id, "recipient": first.id}, "key", now)
    words = parse(write_one()).get_content().split()

    assert [word for word in words if "@" in word] == [
        *("ada@proj.example", "ada@home.example.net"),
        *("ada-old@proj.example", "second@work.example.net", "ada@home.example.net"),
    ]


def test_one_that_was_taken_out_does_not_hear_where_the_mail_goes_now(ada, alias, write_one, now):
    left = make_recipient(ada, now, "left@work.example.net")
    tell_recipient(left, "recipient-removed", {"alias": alias.id, "recipient": left.id}, "key", now)
    text = parse(write_one()).get_content()

    assert "ada@proj.example" in text
    assert "home.example.net" not in text


def test_ops_are_told_which_server_refuses_the_relay(db, settings, now):
    tell_ops("relay-refused", None, {}, "about-us:2026-11-26:5.7.1:home.example.net", now)

    message = parse(write_letter(Notice.get(), settings, now))
    assert message["Subject"] == "Another mail server refuses our relay: home.example.net"


def test_the_owner_is_told_why_a_mailbox_fails(ada, alias, write_one, now):
    recipient = ada.recipients.get()
    recipient.failing_since, recipient.failing_with = now, "5.2.2"
    recipient.save()
    tell_person(ada, "recipient-failing", {"recipient": recipient.id, "alias": alias.id}, "key", now)

    text = parse(write_one()).get_content()
    assert "ada@home.example.net" in text
    assert "its server says that the mailbox is full" in text
    assert "(5.2.2)" in text


def test_of_a_mailbox_that_was_never_confirmed_it_says_that_our_link_was_refused(ada, alias, write_one, now):
    unproven = make_recipient(ada, now, "ada@mistyped.example.net", proven=False)
    unproven.failing_since, unproven.failing_with = now, "5.1.2"
    unproven.save()
    tell_owner(ada, "recipient-failing", {"recipient": unproven.id, "alias": alias.id}, "key", now)

    letter = parse(write_one())
    assert letter["Subject"] == "The link that confirms a mailbox for ada@proj.example could not be delivered"
    assert "We sent a link to" in letter.get_content()
    assert "Mail for" not in letter.get_content()


@pytest.fixture
def to_sign_in(ada, alias, now) -> Person:
    """ada, to whose proven sign-in address a notice goes."""
    Recipient.update(failing_since=now).execute()
    ada.sign_in_email, ada.sign_in_email_proven = "login@post.example.com", True
    ada.save()
    tell_owner(
        ada, "recipient-failing", {"recipient": ada.recipients.get().id, "alias": alias.id}, "key", now
    )
    return ada


def test_a_notice_for_the_sign_in_address_goes_there(to_sign_in, write_one):
    letter = write_one()

    assert letter.to == parse(letter)["To"].addresses[0].addr_spec == "login@post.example.com"


@pytest.mark.parametrize(
    "change",
    [{"sign_in_email_proven": False}, {"sign_in_email": "ada@proj.example"}, {"sign_in_email": None}],
)
def test_a_sign_in_address_that_is_not_proven_any_more_gets_nothing(to_sign_in, write_one, change):
    Person.update(change).execute()

    assert write_one() is None


def test_texts_are_written_as_they_are_and_not_for_a_web_page(ada, alias, write_one, now):
    Person.update(display_name="Ada & <Bell>").execute()
    tell_ops("address-created", ada, {"alias": alias.id}, "key", now)

    assert "claimed by Ada & <Bell>" in parse(write_one()).get_content()


def test_a_name_is_written_so_that_it_is_no_markup_and_no_link(ada, alias, write_one, now):
    Person.update(display_name="<img src=x> https://evil.example").execute()
    tell_ops("address-created", ada, {"alias": alias.id}, "key", now)
    page = parse(write_one()).html

    assert "&lt;img src=x&gt; https://evil.example" in page
    assert re.findall(r'href="([^"]*)"', page) == ["http://127.0.0.1:8000"]


# -- the life of an alias -------------------------------------------------------------------------


def test_the_owner_is_told_when_the_address_ends_and_why(ada, alias, write_one, now):
    lose(ada, now, coc_signed=Answer.NO, team=Answer.NO)
    tell_of(Event.GRACE_STARTED, ada, alias, now)
    message = parse(write_one())

    assert message["Subject"] == "Your address ada@proj.example ends on 2027-02-24 12:00 UTC"
    assert "- You have not signed the Code of Conduct." in message.get_content()
    assert "- You are in no team that gives a right to it: proj-members." in message.get_content()
    assert "not active" not in message.get_content()
    assert "Launchpad says, in two looks" in message.get_content()


def test_with_a_roster_the_member_list_says_so(ada, alias, settings, now):
    lose(ada, now, valid=Answer.NO)
    tell_of(Event.GRACE_STARTED, ada, alias, now)
    roster = settings.model_copy(update={"directory": "roster"})
    text = parse(write_letter(Notice.get(), roster, now)).get_content()

    assert text.startswith("The member list says, in two looks")
    assert "When the member list says" in " ".join(text.split())
    assert "- Your account in the member list is not active." in text


def lose(person: Person, now: datetime, *, team: Answer = Answer.YES, **facts: Answer) -> None:
    """Have the directory say no twice."""
    for hours in (6, 12):
        store_account_facts(person, facts, later(now, hours=hours))
        store_memberships(person, {TEAM: team}, later(now, hours=hours))


@pytest.mark.parametrize(
    ("event", "since"),
    [
        (Event.GRACE_STARTED, {"entitlement": Entitlement.ENTITLED, "grace_until": None}),
        (Event.GRACE_14_DAYS, {"entitlement": Entitlement.ENDED}),
        (Event.GRACE_2_DAYS, {"grace_until": datetime(2028, 1, 1, tzinfo=UTC)}),
        (Event.GRACE_LIFTED, {"entitlement": Entitlement.GRACE}),
        (Event.ENDED, {"entitlement": Entitlement.ENTITLED}),
        (Event.SUSPENDED, {"hold": Hold.NONE}),
        (Event.SUSPENSION_LIFTED, {"hold": Hold.LAUNCHPAD}),
    ],
)
def test_what_is_not_so_any_more_is_not_told(ada, alias, write_one, now, event, since):
    tell_of(event, ada, alias, now)
    Alias.update(since).execute()

    assert write_one() is None


def test_a_reminder_that_comes_after_the_end_is_not_sent(ada, alias, write_one, now):
    tell_of(Event.GRACE_2_DAYS, ada, alias, now)

    assert write_one(later(now, days=90)) is None


def test_the_owner_is_told_a_day_before_later_becomes_refused(ada, alias, write_one, now):
    switch(ada.id, alias.id, Switch.OFF_LATER, now)

    assert Notice.get().due_at == later(now, days=2)
    subject = "Mail for ada@proj.example will be refused from 2026-11-29 12:00 UTC on"
    assert parse(write_one())["Subject"] == subject


def test_whoever_switched_it_otherwise_meanwhile_is_not_told(ada, alias, write_one, settings, now):
    switch(ada.id, alias.id, Switch.OFF_LATER, now)
    switch(ada.id, alias.id, Switch.ON, later(now, hours=1))
    assert write_one() is None
    switch(ada.id, alias.id, Switch.OFF_LATER, later(now, hours=2))

    first = Notice.select().order_by(Notice.id).first()
    assert write_letter(first, settings, now) is None


# -- the ops digest -------------------------------------------------------------------------------


def test_ops_read_what_was_tried_with_whom_and_when(ada, settings, now):
    with write():
        report("sync-person", f"person {ada.id}", "status 503", now, ada)
        report("sync-team", "proj-members", "unreadable: status 404", later(now, seconds=5))
    message = parse(write_letter(Notice.get(), settings, later(now, minutes=15)))

    assert message["Subject"] == "Project: 2 things went wrong"
    assert message["To"] == "ops@ops.example.net"
    assert (
        f"- 2026-11-26 12:00:00 UTC, sync-person, person {ada.id} (ada): status 503" in message.get_content()
    )
    assert (
        "- 2026-11-26 12:00:05 UTC, sync-team, proj-members: unreadable: status 404" in message.get_content()
    )


def test_a_long_digest_is_cut(ada, settings, now):
    with write():
        for number in range(120):
            report("sync-team", f"team{number}", "status 503", now)

    assert "And 20 more." in parse(write_letter(Notice.get(), settings, now)).get_content()


# -- languages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "subject"),
    [
        ("ja", "アドレス ada@proj.example は引き続き使えます"),
        ("en", "Your address ada@proj.example stays"),
        ("xx", "Your address ada@proj.example stays"),
    ],
)
def test_a_mail_is_in_the_language_of_its_reader_where_there_is_one(
    ada, alias, write_one, now, language, subject
):
    Person.update(language=language).execute()
    tell_of(Event.GRACE_LIFTED, ada, alias, now)

    assert parse(write_one())["Subject"] == subject


def test_the_ops_address_reads_english(ada, alias, settings, now):
    Person.update(language="ja").execute()
    tell_ops(Event.GRACE_LIFTED, ada, {"alias": alias.id, "until": 0}, "key", now)

    assert "stays" in parse(write_letter(Notice.get(), settings, now))["Subject"]


ENGLISH = ("signing-key-in-use", "signing-key-missing", "problems")
"""Kinds that only ever go to the ops address."""
SAME = "Project Launchpad UTC PTR ID Ada ada Not yet newcomer maintain its web site".split()
SAME += "waypost waiver show audit verify head TXT DNS".split()
"""Latin words of these letters that are names, commands, or somebody's own."""


def latin_words(text: str) -> set[str]:
    plain = re.sub(
        r"https?://\S+|waypost-site-verification=\S+|\b\d+:[0-9a-f]{12,}|\b[0-9a-f]{40,}|\S*@[\w.-]+|[\w-]+(\.[\w-]+)+|[a-z]+(-[a-z]+)+",
        " ",
        text,
    )
    return set(re.findall(r"[A-Za-z]{2,}", plain)) - set(SAME)


def test_each_kind_is_japanese_for_who_reads_japanese(kind, ada, write_one, settings):
    """Also those that usually go to the ops address: an admin who reads Japanese gets the same."""
    home = {"sign_in_email": "ada@home.example.net", "sign_in_email_proven": True}
    Person.update(home | {"language": "ja"}).execute()
    Notice.update(person=ada, recipient=None, address=None, to_sign_in=True).where(
        Notice.recipient.is_null() & (Notice.kind.not_in([*ENGLISH, "account-deleted"]))
    ).execute()
    letter = write_one()
    message = parse(letter)

    if kind in (*ENGLISH, "account-deleted"):
        assert message["Subject"].isascii()
        return
    assert letter.message.isascii()
    assert re.search(r"[ぁ-んァ-ヶ]", message["Subject"])
    assert latin_words(message["Subject"]) == set()
    assert latin_words(message.get_content()) == set()
    assert '<html lang="ja">' in message.html
    words = unescape(re.sub(r"<[^>]*>", " ", message.html.partition("</head>")[2]))
    assert words.split() == re.sub(r"^- ", "", message.get_content(), flags=re.M).split()


def test_a_japanese_subject_is_encoded_words(ada, alias, write_one, now):
    """RFC 2047 §2: 75 characters a word at most, and a line of 76; decoded, it is what it was."""
    Person.update(language="ja").execute()
    Alias.update(local_part="a" * 60).execute()
    tell_of(Event.GRACE_STARTED, ada, alias, now)

    head = write_one().message.partition(b"\r\n\r\n")[0].decode("ascii")
    raw = re.search(r"^Subject: ([^\r]*(?:\r\n [^\r]*)*)", head, re.M)[1]
    words, raw_lines = raw.split(), f"Subject: {raw}".splitlines()
    assert all(re.fullmatch(r"=\?utf-8\?[bq]\?[!->@-~]+\?=", word) and len(word) <= 75 for word in words)
    assert len(words) > 1
    assert all(len(line) <= 76 for line in raw_lines)
    day = f"{later(now, days=90):%Y-%m-%d %H:%M} UTC"
    assert parse(write_one())["Subject"] == f"アドレス {'a' * 60}@proj.example は {day} に終了します"


@pytest.mark.parametrize(("language", "encoding"), [("en", "7bit"), ("ja", "base64")])
def test_a_text_goes_in_the_shortest_form_that_every_server_passes(
    ada, alias, write_one, now, language, encoding
):
    Person.update(language=language).execute()
    tell_of(Event.GRACE_LIFTED, ada, alias, now)

    parts = [part for part in parse(write_one()).walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert {part["Content-Type"].params["charset"] for part in parts} == {"utf-8"}
    assert [part["Content-Transfer-Encoding"] for part in parts] == [encoding, encoding]


def test_a_test_mail_is_in_the_language_of_the_owner(ada, alias, settings, now):
    Person.update(language="ja").execute()
    message = parse(write_test_mail(Alias.get(), settings, now))

    assert message["Subject"] == "ada@proj.example 宛てのテストメール"
    assert "2026-11-26 12:00 UTC に" in message.get_content()


def link_in(letter: Letter | None) -> str:
    (link,) = re.findall(r"http\S+/recipients/verify/\S+", parse(letter).get_content())
    return link


def test_the_link_in_the_mail_proves_the_recipient(ada, alias, settings, write_one, now):
    recipient = add_recipient(ada.id, alias.id, "new@work.example.net", now)
    link = link_in(write_one())

    assert link.startswith("http://127.0.0.1:8000/recipients/verify/")
    proven = verify_recipient(link.rpartition("/")[2], ada.id, settings.secret_key, now)
    assert proven.id == recipient.id


def test_the_link_stands_on_one_line(ada, alias, write_one, settings, now):
    add_recipient(ada.id, alias.id, "new@work.example.net", now)
    letter = write_letter(
        Notice.get(), settings.model_copy(update={"public_url": "https://" + "long." * 30 + "example"}), now
    )

    assert "long.example/recipients/verify/" in link_in(letter)


def test_a_recipient_proven_meanwhile_gets_no_mail(ada, alias, settings, write_one, now):
    add_recipient(ada.id, alias.id, "new@work.example.net", now)
    verify_recipient(link_in(write_one()).rpartition("/")[2], ada.id, settings.secret_key, now)

    assert write_one() is None


def test_only_the_newest_of_two_verification_mails_is_written(ada, alias, settings, now):
    recipient = add_recipient(ada.id, alias.id, "new@work.example.net", now)
    resend_proof(ada.id, recipient.id, later(now, minutes=2))
    old, new = Notice.select().order_by(Notice.id)

    assert write_letter(old, settings, now) is None
    assert write_letter(new, settings, now) is not None


def test_a_mail_whose_link_has_expired_is_not_written(ada, alias, write_one, now):
    add_recipient(ada.id, alias.id, "new@work.example.net", now)

    assert write_one(later(now, hours=72)) is not None
    assert write_one(later(now, hours=72, seconds=1)) is None


def test_what_a_notice_speaks_of_may_be_gone(ada, alias, write_one, now):
    tell_ops("address-created", ada, {"alias": alias.id}, "key", now)
    alias.delete_instance()

    assert write_one() is None


# -- B71: nothing that people wrote becomes a header ----------------------------------------------

NASTY = [
    "Ada\r\nBcc: x@evil.example",
    "Ada\nBcc: x@evil.example",
    "Ada\rBcc: x@evil.example",
    "Ada\u2028Bcc: x@evil.example",
    "Ada\x85Bcc: x@evil.example",
    "Ada\x0b\x0c\x1c\x1d\x1eBcc: x@evil.example",
    "Ada\x00",
    "=?utf-8?q?a=0d=0aBcc:_x@evil.example?=",
    "x" * 5000,
    "🏳️‍🌈" * 50,
    '"; DROP TABLE alias; --',
    "https://evil.example click here",
    "{{7*7}} {% for x in y %}",
    "<b>鈴木 純</b> & \u202e“Jun”\u202c",
    "a, b <x@evil.example>",
    ".\r\n.\r\n",
]


@pytest.mark.parametrize("text", NASTY)
def test_a_display_name_adds_no_header(ada, alias, write_one, now, text):
    Person.update(display_name=clean_name(text)).execute()
    tell_ops("address-created", ada, {"alias": alias.id}, "key", now)
    message = parse(write_one())

    assert message["Subject"] == "New @proj.example email address created"
    assert "49" not in message.get_content()


@pytest.mark.parametrize("text", NASTY)
def test_a_launchpad_name_adds_no_header(ada, write_one, now, text):
    newcomer = make_person(now, "newcomer")
    Person.update(launchpad_name=text[:100].replace("\x00", "")).where(Person.id == newcomer.id).execute()
    tell_ops("name-taken-over", newcomer, {"person": ada.id, "newcomer": newcomer.id}, "key", now)

    assert len(parse(write_one())["Subject"]) <= 250


@pytest.mark.parametrize("text", NASTY)
def test_a_project_name_adds_no_header(ada, alias, settings, now, text):
    tell_ops("address-created", ada, {"alias": alias.id}, "key", now)
    message = parse(write_letter(Notice.get(), settings.model_copy(update={"project_name": text}), now))

    assert message["From"].addresses[0].addr_spec == settings.mail_from


ADDRESSES = [
    '"a b"@home.example.net',
    '"a,b"@home.example.net',
    r'"a\"b\\c"@home.example.net',
    '"a@b"@home.example.net',
    '".a."@home.example.net',
    "!#$%&'*+/=?^_`{|}~-@home.example.net",
    "a" * 64 + "@" + ".".join(["b" * 60] * 4),
    '"' + "a " * 31 + 'a"@' + ".".join(["b" * 60] * 4),
    "jörg@home.example.net",
    "鈴木@xn--bcher-kva.example",
    "ä" * 32 + "@" + ".".join(["b" * 60] * 4),
    '"jörg b"@home.example.net',
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_odd_but_legal_address_is_written_so_that_it_can_be_read_again(ada, settings, now, address):
    recipient = make_recipient(ada, now, address)
    tell_recipient(recipient, "identity-joined", {"person": ada.id}, "key", now)
    message = parse(write_letter(Notice.get(), settings, now))

    parsed = message["To"].addresses[0]
    assert f"{parsed.username}@{parsed.domain}".replace(" ", "") == unquoted(address).replace(" ", "")


def unquoted(address: str) -> str:
    parsed = parse_address(address)
    return f"{parsed.local_part}@{parsed.domain}"


def test_an_address_that_looks_like_an_encoded_word_stays_as_it_is(ada, settings, now):
    address = "=?utf-8?q?a=0d=0aBcc?=@home.example.net"
    tell_recipient(make_recipient(ada, now, address), "identity-joined", {"person": ada.id}, "key", now)

    assert f"\r\nTo: <{address}>\r\n".encode() in write_letter(Notice.get(), settings, now).message


@pytest.mark.parametrize("srs_domain", ["srs.proj.example", ".".join(["s" * 60] * 4)])
def test_a_long_domain_keeps_the_message_id_whole(ada, alias, settings, now, srs_domain):
    tell_ops("address-created", ada, {"alias": alias.id}, "key", now)
    message = parse(write_letter(Notice.get(), settings.model_copy(update={"srs_domain": srs_domain}), now))

    assert str(message["Message-ID"]).endswith(f"@{srs_domain}>")
    assert "=?" not in message["Message-ID"]


def test_names_beyond_ascii_can_be_read(ada, alias, settings, now):
    Person.update(display_name="鈴木 純").execute()
    Domain.update(name="xn--bcher-kva.example").execute()
    tell_ops("address-created", ada, {"alias": alias.id}, "key", now)
    letter = write_letter(Notice.get(), settings.model_copy(update={"project_name": "Projekt Ärger"}), now)
    message = parse(letter)

    assert letter.message.isascii()
    assert message["From"].addresses[0].display_name == "Projekt Ärger"
    assert "claimed by 鈴木 純" in message.get_content()


def test_no_recipient_is_needed_to_write_to_ops(ada, alias, write_one, settings, now):
    Recipient.delete().execute()
    tell_ops("address-created", ada, {"alias": alias.id}, "key", now)

    assert write_one().to == settings.ops_address


# -- waivers, codes, goodbyes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("domain", {}, "an address on proj.example"),
        ("domain", {"ends_at": "day"}, "an address on proj.example until 2026-12-06"),
        ("local-part", {"local_part": "ada+lab"}, "the address ada+lab@proj.example"),
        ("grace", {"ends_at": "day"}, "a later end on proj.example: 2026-12-06"),
    ],
)
def test_a_request_is_put_before_the_admins_in_words(ada, alias, write_one, now, kind, fields, words):
    fields = {name: later(now, days=10) if value == "day" else value for name, value in fields.items()}
    waiver = make_waiver(ada, alias.domain, now, kind, **fields)
    tell_ops("waiver-asked", ada, {"waiver": waiver.id}, "key", now)
    text = parse(write_one()).get_content()

    assert words in text.splitlines()
    assert text.startswith("Ada (ada in Launchpad)")
    assert "I maintain its web site." in text
    assert f"waypost waiver show {waiver.id}" in text


@pytest.mark.parametrize("state", ["withdrawn", "granted", "refused"])
def test_nobody_is_asked_for_what_is_settled(ada, alias, write_one, now, state):
    waiver = make_waiver(ada, alias.domain, now)
    tell_ops("waiver-asked", ada, {"waiver": waiver.id}, "key", now)
    Waiver.update(state=state).execute()

    assert write_one() is None


def test_a_reason_adds_no_header_and_no_second_mail(ada, alias, write_one, now):
    waiver = make_waiver(ada, alias.domain, now, reason="Hello\n.\nBcc: x@evil.example\n\n\x00From: me")
    tell_ops("waiver-asked", ada, {"waiver": waiver.id}, "key", now)

    assert "evil" not in str(parse(write_one()).items())


def test_an_answer_is_part_of_the_word_to_the_person(ada, alias, write_one, now):
    waiver = make_waiver(ada, alias.domain, now, state="granted", answer="Welcome on board.")
    tell_person(ada, "waiver-granted", {"waiver": waiver.id}, "key", now)

    assert "Welcome on board." in parse(write_one()).get_content()


@pytest.fixture
def session(ada, now) -> Session:
    """A session that waits for a code, and its mail."""
    with write():
        open_session(ada, now, asked_anew=True)
    send_code(Session.get().id, now)
    return Session.get()


def codes_in(letter: Letter | None) -> list[str]:
    """Return the lines that are a code."""
    return [line for line in parse(letter).get_content().splitlines() if re.fullmatch(r"[0-9]{8}", line)]


def test_a_code_of_eight_digits_goes_to_the_first_mailbox(session, write_one):
    letter = write_one()

    assert letter.to == "ada@home.example.net"
    assert len(codes_in(letter)) == 1


def test_a_code_that_was_used_is_not_sent(session, write_one, settings, now):
    enter_code(session.id, codes_in(write_one())[0], settings.secret_key, now)

    assert write_one() is None


def test_a_code_is_not_sent_when_it_is_too_old(session, write_one, now):
    assert write_one(later(now, minutes=16)) is None


def test_a_code_is_not_sent_when_a_newer_one_is(session, settings, now):
    send_code(session.id, later(now, minutes=2))
    first, second = Notice.select().order_by(Notice.id)

    assert write_letter(first, settings, later(now, minutes=2)) is None
    assert write_letter(second, settings, later(now, minutes=2)) is not None
