"""What people and requests bring along, in pages and in mails: it stays text, and changes no link (B71)."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from core.models import Notice
from devtools.accounts import Account
from devtools.world import World
from tests.app.owner import Owner
from tests.support.letters import Mail, mails_about, proof_mails
from tests.support.page import faults_of
from tests.support.portal import Portal
from tests.support.records import person_of
from tests.support.webclient import Answer, Client, Fields

MakePerson = Callable[..., Account]

NAMES = {
    "a header": "Ada\r\nBcc: x@evil.example",
    "a bare carriage return": "Ada\rBcc: x@evil.example",
    "a bare line feed": "Ada\nBcc: x@evil.example",
    "an encoded header": "=?utf-8?q?a=0d=0aBcc:_x@evil.example?=",
    "5000 characters": "Ada " * 1250,
    "one long word": "A" * 300,
    "emoji": "\U0001f9ff\U0001f469\u200d\U0001f680\U0001f1ef\U0001f1f5",
    "quotation marks": "\"; DROP TABLE person; --'",
    "a link": "https://evil.example click here",
    "a template": "{{7*7}}${7*7}#{7*7}<%= 7*7 %>{% raw %}",
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "the end of an attribute": '" autofocus onfocus="alert(1)" x="',
    "the end of a page": "</span></form></header></html>",
    "a turn of direction": "\u202eada\u202c \u2066x\u2069",
    "controls": "A\x01d\x7fa\x85\u2028\u2029",
    "blanks": " \u00a0\u3000 ",
    "format": "%(project)s %s {0} {project}",
    "kanji": "鈴木 純",
    "null": "null",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_display_name_breaks_no_page_and_no_mail(
    portal: Portal, client: Client, world: World, member: Account, name: str
) -> None:
    owner = Owner(client, member)
    owner.add("second@mail.example.org")
    world.update(member.name, display_name=name)
    client.post("/home/check")

    pages = [client.get(path) for path in ("/home", owner.path, "/addresses/999999")]
    mails = [
        *proof_mails(owner.recipient("second@mail.example.org"), portal.settings),
        *mails_about(owner.person, "address-created", portal.settings),
    ]

    for answer in pages:
        assert faults_of(answer.page) == []
        assert len(answer.page.all("form", action="/logout")) == 1
        assert answer.page.all("img", src="x") == []
        shown = answer.page.one(class_="account__name").text
        assert shown
        assert len(shown) <= 200
        assert not any(0x202A <= ord(char) <= 0x2069 for char in shown)
        assert "49" not in shown
    assert len(mails) == 2
    for mail in mails:
        assert_one_plain_mail(mail)


def assert_one_plain_mail(mail: Mail) -> None:
    """Hold that a mail has the headers it must have, once, and no other."""
    names = [name.lower() for name in mail.message]
    assert len(names) == len(set(names))
    must = {"from", "to", "subject", "date", "message-id", "auto-submitted"}
    may = {"mime-version", "content-type", "content-transfer-encoding"}
    assert must <= set(names) <= must | may
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert [address.addr_spec for address in mail.message["To"].addresses] == [mail.to]
    assert "evil" not in str(mail.message["Subject"])
    for line in mail.raw.split(b"\r\n"):
        assert len(line) <= 998
        assert b"\n" not in line
        assert b"\r" not in line


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_a_name_that_only_ubuntu_one_says_breaks_no_page(
    portal: Portal, client: Client, new_person: MakePerson, name: str
) -> None:
    """Without a Launchpad account it is the only name there is."""
    stranger = new_person(on_launchpad=False)

    def say(fields: Fields) -> None:
        fields["openid.sreg.fullname"] = name.replace("\n", "\r")  # a line feed cannot be signed

    attempt = client.begin()
    home = client.follow(
        client.come_back(attempt, client.sign(attempt, stranger.name, tamper=say), by_post=True)
    )

    assert home.status == 200
    assert faults_of(home.page) == []
    assert len(person_of(stranger).display_name) <= 200


def test_a_name_with_markup_is_shown_as_it_is_written(
    portal: Portal, client: Client, new_person: MakePerson
) -> None:
    home = client.sign_in(new_person(display_name="<b>鈴木 純</b> & Jun").name)

    assert home.page.one(class_="account__name").text == "<b>鈴木 純</b> & Jun"


# -- the Host header -----------------------------------------------------------------------------

HOSTS = [
    {"Host": "evil.example"},
    {"X-Forwarded-Host": "evil.example"},
    {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil"},
    {"Forwarded": "host=evil.example;proto=https"},
    {"X-Original-URL": "/evil", "X-Rewrite-URL": "/evil"},
    {"Host": "127.0.0.1:1"},
    {"X-Forwarded-Port": "1", "X-Forwarded-Server": "evil.example"},
]


def call(client: Client, method: str, path: str, headers: dict[str, str], **fields: str) -> Answer:
    """Make a request with headers of its own."""
    data = {"csrf_token": client.token(), **fields} if method == "POST" else None
    return Answer(client.http.request(method, path, data=data, headers=headers))


def links_of(answer: Answer) -> set[str]:
    """Return every place that an answer leads to."""
    names = ("href", "src", "action", "hx-get", "hx-post", "content")
    found = {one.get(name) or "" for one in answer.page.elements() for name in names}
    return found | {answer.location, answer.header("HX-Redirect"), answer.header("HX-Location")}


@pytest.mark.parametrize("headers", HOSTS, ids=str)
def test_a_host_header_changes_no_link(
    portal: Portal, client: Client, member: Account, headers: dict[str, str]
) -> None:
    owner = Owner(client, member)
    requests = [
        ("GET", "/"),
        ("GET", "/login?next=/home"),
        ("GET", "/home"),
        ("GET", owner.path),
        ("GET", "/nowhere"),
        ("GET", "//home"),
        ("GET", "/home/"),
        ("GET", "/static//built/app.css"),
        ("POST", "/login"),
        ("POST", f"{owner.path}/switch"),
        ("POST", "/home/check"),
    ]
    for method, path in requests:
        answer = call(client, method, path, headers, to="on")
        plain = call(client, method, path, {}, to="on")
        assert answer.status == plain.status, path
        for link in links_of(answer):
            assert "evil" not in link, (path, link)
            assert urlsplit(link).netloc != "127.0.0.1:1", (path, link)


@pytest.mark.parametrize("headers", HOSTS, ids=str)
def test_a_host_header_changes_no_link_in_a_mail(
    portal: Portal, client: Client, member: Account, headers: dict[str, str]
) -> None:
    owner = Owner(client, member)
    call(client, "POST", f"{owner.path}/recipients", headers, recipient="second@mail.example.org")

    mails = proof_mails(owner.recipient("second@mail.example.org"), portal.settings)

    assert len(mails) == 1
    assert mails[0].link.startswith(f"{portal.url}/recipients/verify/")
    assert b"evil" not in mails[0].raw
    assert mails[0].to == "second@mail.example.org"


@pytest.mark.parametrize("headers", HOSTS, ids=str)
def test_a_host_header_changes_nothing_of_a_sign_in(
    portal: Portal, client: Client, member: Account, headers: dict[str, str]
) -> None:
    begun = call(client, "POST", "/login", headers)
    assert "evil" not in begun.location
    attempt = client.begin()

    back = call(client, "GET", attempt.url(client.sign(attempt, member.name)), headers)

    assert (back.status, back.location) == (303, "/home")


@pytest.mark.parametrize(
    "typed",
    [
        "x@home.example.net\nCc: y@z.example",
        "x@home.example.net\r\nCc: y@z.example",
        "x@home.example.net\rBcc: y@z.example",
        "x@home.example.net\x0bCc: y@z.example",
        "x@home.example.net\u2028Cc: y@z.example",
    ],
)
def test_a_recipient_with_a_line_end_is_refused(
    portal: Portal, client: Client, member: Account, typed: str
) -> None:
    owner = Owner(client, member)
    before = Notice.select().count()

    assert owner.add(typed).status == 422

    assert Notice.select().count() == before


def test_a_verification_mail_says_who_asked_and_what_to_do(
    portal: Portal, client: Client, member: Account
) -> None:
    owner = Owner(client, member)
    owner.add("second@mail.example.org")

    mail = proof_mails(owner.recipient("second@mail.example.org"), portal.settings)[0]

    assert_one_plain_mail(mail)
    assert portal.url in mail.text
    assert "72 hours" in mail.text
    assert "If it was not you, do nothing" in mail.text
    assert member.name not in mail.text  # a stranger's mailbox learns no name
