"""The mail catcher keeps what it gets, shows it safely, and misbehaves as told."""

import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from email.message import EmailMessage

import httpx
import pytest

from devtools.catcher import MailCatcher

ADA, BOB = "ada@home.example.net", "bob@mail.example.org"


@pytest.fixture
def smtp(catcher: MailCatcher) -> Iterator[smtplib.SMTP]:
    with connect(catcher) as client:
        yield client


def connect(catcher: MailCatcher) -> smtplib.SMTP:
    return smtplib.SMTP(*catcher.address, local_hostname="sender.example.com", timeout=5)


def message(subject: str = "Hello", text: str = "Good morning\n", html: str = "") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "sender@example.com", ADA, subject
    if text:
        mail.set_content(text)
    if html and text:
        mail.add_alternative(html, subtype="html")
    elif html:
        mail.set_content(html, subtype="html")
    return mail


def test_a_message_is_kept_byte_for_byte(catcher: MailCatcher, smtp: smtplib.SMTP) -> None:
    content = b"Subject: x\r\n\r\n.dot\r\n\xff\x00" + b"y" * 3000 + b"\r\n"
    assert smtp.sendmail("", [ADA, BOB], content) == {}

    (kept,) = catcher.messages
    assert kept.content == content
    assert (kept.sender, kept.recipients, kept.helo) == ("", (ADA, BOB), "sender.example.com")
    assert kept.tls_version is None
    assert abs(kept.at - time.time()) < 5


def test_one_can_wait_for_a_message(catcher: MailCatcher, smtp: smtplib.SMTP) -> None:
    smtp.send_message(message("one"))
    smtp.send_message(message("two"))
    assert catcher.wait_for(ADA.upper(), count=2).parsed()["Subject"] == "two"
    with pytest.raises(TimeoutError):
        catcher.wait_for(BOB, timeout=0.05)
    catcher.forget()
    assert catcher.sent_to(ADA) == []


@pytest.mark.parametrize(
    ("stage", "address", "reply"),
    [
        ("connect", "", "554 5.3.2 go away"),
        ("ehlo", "", "550 5.7.1 not you"),
        ("mail", "sender@example.com", "550 5.7.1 no such sender"),
        ("rcpt", ADA, "550 5.1.1 no such user"),
        ("rcpt", ADA, "452 4.2.2 mailbox full"),
        ("data", ADA, "451 4.3.0 later"),
        ("dot", ADA, "554 5.7.1 spam"),
    ],
)
def test_each_stage_can_refuse(catcher: MailCatcher, stage: str, address: str, reply: str) -> None:
    catcher.behave(stage, reply, address=address, times=1)

    with pytest.raises(smtplib.SMTPException) as refusal, connect(catcher) as client:
        client.ehlo_or_helo_if_needed() if stage != "ehlo" else check_ehlo(client)
        client.sendmail("sender@example.com", [ADA], message().as_bytes())

    assert reply[:3] in str(refusal.value)
    assert reply[4:] in str(refusal.value)
    assert catcher.messages == []
    with connect(catcher) as client:
        client.send_message(message())
    assert len(catcher.messages) == 1


def check_ehlo(client: smtplib.SMTP) -> None:
    code, text = client.ehlo()
    raise smtplib.SMTPHeloError(code, text)


def test_a_rule_concerns_its_address_only(catcher: MailCatcher, smtp: smtplib.SMTP) -> None:
    catcher.behave("rcpt", "550 5.1.1 no such user", address=BOB)
    assert smtp.sendmail("a@example.com", [ADA, BOB], b"x\r\n") == {BOB: (550, b"5.1.1 no such user")}
    assert catcher.messages[0].recipients == (ADA,)


def test_a_reply_can_be_late(catcher: MailCatcher, smtp: smtplib.SMTP) -> None:
    catcher.behave("dot", delay=0.15)
    begin = time.monotonic()
    smtp.send_message(message())
    assert time.monotonic() - begin >= 0.15
    assert len(catcher.messages) == 1


@pytest.mark.parametrize("keep", [False, True])
def test_the_connection_can_be_lost_after_the_dot(catcher: MailCatcher, keep: bool) -> None:
    catcher.behave("dot", drop=True, keep=keep)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)), connect(catcher) as client:
        client.send_message(message())
    assert len(catcher.messages) == int(keep)


def test_a_refused_message_can_be_kept_all_the_same(catcher: MailCatcher, smtp: smtplib.SMTP) -> None:
    catcher.behave("dot", "451 4.3.0 took it, says no", keep=True)
    with pytest.raises(smtplib.SMTPDataError):
        smtp.send_message(message())
    assert len(catcher.messages) == 1


def test_extensions_are_offered_as_told(catcher: MailCatcher) -> None:
    with connect(catcher) as client:
        client.ehlo()
        assert set(client.esmtp_features) == {"size", "8bitmime", "smtputf8", "starttls", "pipelining"}
    catcher.extensions = frozenset({"SIZE"})
    with connect(catcher) as client:
        client.ehlo()
        assert set(client.esmtp_features) == {"size"}
        assert client.mail("a@example.com", ["BODY=8BITMIME"])[0] == 555
        assert client.mail("a@example.com", ["SIZE=10"])[0] == 250
    catcher.extensions = frozenset()
    with connect(catcher) as client:
        assert client.ehlo() == (250, b"catcher.example.net")
        assert client.docmd("MAIL", "FROM:<a@example.com> SMTPUTF8")[0] == 555


def test_starttls_brings_a_self_signed_certificate(catcher: MailCatcher, smtp: smtplib.SMTP) -> None:
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    smtp.starttls(context=trusting)
    smtp.send_message(message())
    assert catcher.messages[0].tls_version == "TLSv1.3"
    with connect(catcher) as client, pytest.raises(ssl.SSLCertVerificationError):
        client.starttls(context=ssl.create_default_context())


def test_commands_may_be_pipelined(catcher: MailCatcher) -> None:
    with socket.create_connection(catcher.address, timeout=5) as connection:
        lines = connection.makefile("rb")
        assert lines.readline().startswith(b"220")
        connection.sendall(
            b"EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<" + ADA.encode() + b">\r\nDATA\r\n"
        )
        while not lines.readline().startswith(b"354"):
            pass
        connection.sendall(b"Subject: x\r\n\r\nhi\r\n.\r\nQUIT\r\n")
        assert lines.readline().startswith(b"250 2.0.0")
        assert lines.readline().startswith(b"221")


def test_the_page_lists_the_newest_first(catcher: MailCatcher, smtp: smtplib.SMTP) -> None:
    smtp.send_message(message("first"))
    smtp.send_message(message("<b>second</b>"))
    smtp.sendmail("", [BOB], b"Subject: third\r\n\r\nx\r\n")

    page = httpx.get(catcher.url)
    assert page.text.index("third") < page.text.index("second") < page.text.index("first")
    assert "&lt;b&gt;second" in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    only_ada = httpx.get(catcher.url, params={"to": ADA}).text
    assert "first" in only_ada
    assert "third" not in only_ada


def test_a_message_is_shown_escaped_with_links(catcher: MailCatcher, smtp: smtplib.SMTP) -> None:
    smtp.send_message(
        message("<i>x</i>", 'Press https://portal.example/verify?a=1&b="x" or <script>x</script>.\n')
    )
    page = httpx.get(f"{catcher.url}messages/1").text
    assert '<a href="https://portal.example/verify?a=1&amp;b=" rel="noopener noreferrer">' in page
    assert "<script>" not in page
    assert "<i>" not in page


def test_html_is_shown_as_text(catcher: MailCatcher, smtp: smtplib.SMTP) -> None:
    html = '<style>p{}</style><p>Hi <a href="https://portal.example/v/1">press</a></p><img src=x>'
    smtp.send_message(message("h", "", html))
    about = httpx.get(f"{catcher.url}messages/1.json").json()
    assert about["links"] == ["https://portal.example/v/1"]
    assert "p{}" not in about["text"]
    assert "press" in about["text"]
    assert "<img" not in httpx.get(f"{catcher.url}messages/1").text


def test_scripts_read_json(catcher: MailCatcher, smtp: smtplib.SMTP) -> None:
    smtp.send_message(message("one", "See https://portal.example/v/1.\n"))
    smtp.sendmail("", [BOB], b"Subject: two\r\n\r\nx\r\n")

    (listed,) = httpx.get(f"{catcher.url}messages.json", params={"to": ADA}).json()
    assert (listed["number"], listed["subject"], listed["recipients"]) == (1, "one", [ADA])
    about = httpx.get(f"{catcher.url}messages/1.json").json()
    assert about["links"] == ["https://portal.example/v/1"]
    assert about["sender"] == "sender@example.com"
    assert ["To", ADA] in about["headers"]
    assert httpx.get(f"{catcher.url}messages/1.eml").content == catcher.messages[0].content
    assert httpx.get(f"{catcher.url}messages/9.json").status_code == 404
    assert httpx.get(f"{catcher.url}nothing").status_code == 404


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no header at all\r\n",
        b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xff\xfe\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
        b"Subject: =?utf-8?q?a=0d=0aBcc:_x?=\r\nFrom: <<>>\r\n\r\nx\r\n",
    ],
)
def test_odd_messages_can_be_looked_at(catcher: MailCatcher, smtp: smtplib.SMTP, content: bytes) -> None:
    smtp.sendmail("", [ADA], content)
    for path in ("", "messages/1", "messages/1.json", "messages.json"):
        assert httpx.get(catcher.url + path).status_code == 200


def test_rules_come_over_http(catcher: MailCatcher, smtp: smtplib.SMTP) -> None:
    order = {"rule": {"stage": "rcpt", "reply": "450 4.2.1 later"}, "extensions": ["SIZE"]}
    assert httpx.post(f"{catcher.url}_control", json=order).json() == {"messages": 0, "rules": 1}
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        smtp.send_message(message())
    httpx.post(f"{catcher.url}_control", json={"clear": True, "forget": True})
    smtp.send_message(message())
    assert len(catcher.messages) == 1
