"""Bounces come back to rewritten senders, and leave without private addresses."""

import base64
import quopri
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.delivery import Event
from mailauth.srs import Srs
from relay.message import Message
from relay.report import addresses_in, is_answer, status_of, write_report
from tests.relay.fakes import message

PRIVATE = "ada@home.example.net"


def bounce(text: bytes, **fields: str) -> bytes:
    return message(
        text,
        From="Mail Delivery System <mailer-daemon@mx.home.example.net>",
        Content_Type='multipart/report; report-type=delivery-status; boundary="b"',
        **fields,
    )


async def returned_sender(w) -> str:
    """Send a mail; return the sender that the recipient's server saw."""
    client = await w.client()
    assert (await client.mail("ada@proj.example")).startswith("250")
    await client.say("QUIT")
    return w.home.taken[-1].sender


async def test_a_reply_to_the_rewritten_sender_reaches_the_original_sender(world):
    """B70: the SRS domain takes bounces."""
    async with world() as w:
        origin = await w.server("example.com")
        sender = await returned_sender(w)
        content = bounce(b"it is late\r\n")
        client = await w.client()
        assert (await client.mail(sender, sender="", content=content)).startswith("250")
        [taken] = origin.taken
        assert (taken.sender, taken.recipient) == ("", "bob@example.com")
        assert taken.body.endswith(content)


@pytest.mark.parametrize(
    "dress",
    [
        lambda text: text,
        bytes.upper,
        lambda text: b"<" + text + b">:",
        lambda text: b"rfc822;" + text,
        lambda text: b"see https://help.home.example.net/?u=" + text.replace(b"@", b"%40"),
        lambda text: b"ORCPT rfc822;" + text.replace(b"@", b"+40"),
        lambda text: text.replace(b"@", b"=40"),
        lambda text: quopri.encodestring(b"xx " * 30 + text).replace(b"\n", b"\r\n"),
        lambda text: base64.encodebytes(b"The mail to " + text + b" failed" * 20).replace(b"\n", b"\r\n"),
        lambda text: base64.b64encode(base64.b64encode(b"To: " + text + b"\r\n" + b"x" * 60)),
        lambda text: b"=?utf-8?b?" + base64.b64encode(b"to " + text) + b"?=",
        lambda text: b"<a href='mailto:" + text.replace(b"@", b"&#64;") + b"'>",
        lambda text: b"bounce+" + text.replace(b"@", b"=") + b"@lists.example.org",
        lambda text: b"SRS0=abcd=tt=home.example.net=ada@other.example",
    ],
)
async def test_b62_a_bounce_that_names_a_private_address_becomes_a_report_of_ours(world, dress):
    """B62: in whatever dress; its status is kept, the alias stands in its place, null sender."""
    async with world() as w:
        relay = await w.relay()
        origin = await w.server("example.com")
        sender = await returned_sender(w)
        text = b"--b\r\n\r\n" + dress(PRIVATE.encode()) + b"\r\n--b\r\nStatus: 5.2.2\r\n\r\n--b--\r\n"
        client = await w.client()
        assert (await client.mail(sender, sender="", content=bounce(text))).startswith("250")
        [taken] = origin.taken
        assert (taken.sender, taken.recipient) == ("", "bob@example.com")
        assert b"home.example.net" not in taken.content.lower()
        assert b"Final-Recipient: rfc822; ada@proj.example" in taken.content
        assert b"Status: 5.2.2" in taken.content
        assert b"Auto-Submitted: auto-replied" in taken.content
        await relay.service.counters.flush()
        counted = {(count.event, count.recipient, count.enhanced) for count in w.counts}
        assert (Event.REFUSED_MAILBOX, PRIVATE, "5.2.2") in counted


async def test_one_report_for_each_bounce(world):
    async with world() as w:
        origin = await w.server("example.com")
        sender = await returned_sender(w)
        for _ in range(2):
            client = await w.client()
            await client.mail(sender, sender="", content=bounce(PRIVATE.encode() + b"\r\n"))
            await client.say("QUIT")
        assert len(origin.taken) == 2


async def test_a_vacation_answer_passes_unchanged(world):
    """What the receiver's own habits show we cannot see; the privacy page says so."""
    async with world() as w:
        origin = await w.server("example.com")
        sender = await returned_sender(w)
        content = message(b"I am away\r\n", From=f"Ada <{PRIVATE}>", Auto_Submitted="auto-replied (vacation)")
        client = await w.client()
        assert (await client.mail(sender, sender="", content=content)).startswith("250")
        assert origin.taken[0].body.endswith(content)


async def test_b08_only_the_srs_domain_leads_back_and_only_for_bounces(world):
    """B08: a return address is no relay."""
    async with world() as w:
        origin = await w.server("example.com")
        local, _, _ = (await returned_sender(w)).partition("@")
        client = await w.client()
        replies = await client.envelope(f"{local}@proj.example", f"{local}@other.example", sender="")
        assert [reply[:9] for reply in replies] == ["550 5.1.1", "550 5.1.2"]
        await client.say("RSET")
        [reply] = await client.envelope(f"{local}@srs.proj.example", sender="spam@example.org")
        assert reply.startswith("550 5.7.1")
        assert origin.taken == []


@pytest.mark.parametrize(
    "local_part",
    [
        "SRS0==tt=example.com=bob",
        "SRS0=A=tt=example.com=bob",
        "SRS0=ABCDEFGH=AA=example.com=bob",
        "SRS1=ABCDEFGH=example.com==x=y=z=w",
        "srs0+x",
        "bounce=ABCDEFGH=AA=example.com=bob",
        "bounce=",
    ],
)
async def test_b70_a_false_hash_is_refused_at_rcpt(world, local_part):
    """B70, B08: not taken and dropped later."""
    async with world() as w:
        client = await w.client()
        [reply] = await client.envelope(f"{local_part}@srs.proj.example", sender="")
        assert reply.startswith("550 5.1.1")


async def test_b70_an_expired_return_address_is_refused(world, settings):
    """B70: after its validity."""
    async with world() as w:
        old = Srs("srs.proj.example", [settings.srs_secrets[0].encode()]).forward(
            "bob", "example.com", time.time() - 22 * 86_400
        )
        client = await w.client()
        [reply] = await client.envelope(f"{old}@srs.proj.example", sender="")
        assert reply.startswith("550 5.1.1")


async def test_b70_guesses_are_limited(world):
    """B70: ten thousand guesses from one client."""
    async with world(unknown_recipients=5) as w:
        await w.relay(settings={"relay_trusted_networks": []})
        client = await w.client()
        await client.say("MAIL FROM:<>")
        replies = [
            await client.say(f"RCPT TO:<SRS0=ABCDEF{number:02}=AA=example.com=bob@srs.proj.example>")
            for number in range(22, 28)
        ]
        assert [reply[:3] for reply in replies] == ["550"] * 5 + ["421"]
        assert await client.end_of_file()
        assert (await (await type(client).connect(w.port)).reply()).startswith("421 4.7.0")


async def test_b70_the_original_sender_takes_no_mail_any_more(world):
    """B70: null MX at the original sender's domain."""
    async with world() as w:
        w.resolver.records["example.com", "MX"] = ["0 ."]
        sender = await returned_sender(w)
        client = await w.client()
        assert (await client.mail(sender, sender="", content=bounce(b"x\r\n"))).startswith("556 5.1.10")


async def test_a_bounce_comes_in_a_transaction_of_its_own(world):
    async with world() as w:
        await w.server("example.com")
        sender = await returned_sender(w)
        client = await w.client()
        replies = await client.envelope(sender, "ada@proj.example", sender="")
        assert [reply[:9] for reply in replies] == ["250 2.1.5", "452 4.5.3"]
        await client.say("RSET")
        replies = await client.envelope("ada@proj.example", sender, sender="")
        assert [reply[:9] for reply in replies] == ["250 2.1.5", "452 4.5.3"]


@pytest.mark.parametrize("length", [64, 100, 190])
async def test_a_long_sender_comes_back(world, length):
    """Local parts over 64 octets: lists and other forwarders have them."""
    async with world() as w:
        origin = await w.server("example.com")
        client = await w.client()
        long_sender = "x" * length + "@example.com"
        assert (await client.mail("ada@proj.example", sender=long_sender)).startswith("250")
        back = w.home.taken[0].sender
        client = await w.client()
        assert (await client.mail(back, sender="", content=bounce(b"late\r\n"))).startswith("250")
        assert origin.taken[0].recipient == long_sender


async def test_a_sender_too_long_to_come_back_is_delivered_all_the_same(world):
    """A path has 256 octets at most (RFC 5321 §4.5.3.1.3)."""
    async with world() as w:
        client = await w.client()
        assert (await client.mail("ada@proj.example", sender="x" * 235 + "@example.com")).startswith("250")
        sender = w.home.taken[0].sender
        assert len(sender) <= 254 and sender.endswith("@srs.proj.example")


async def test_a_quoted_sender_comes_back(world):
    async with world() as w:
        origin = await w.server("example.com")
        client = await w.client()
        assert (await client.mail("ada@proj.example", sender='"bob smith"@example.com')).startswith("250")
        back = w.home.taken[0].sender
        assert back.startswith('"SRS0=')
        client = await w.client()
        assert (await client.mail(back, sender="", content=bounce(b"late\r\n"))).startswith("250")
        assert origin.taken[0].recipient == '"bob smith"@example.com'


@given(st.binary(max_size=400))
def test_no_bounce_is_too_strange_to_be_read(octets):
    addresses_in(octets)
    assert status_of(octets)[0] in "45"
    is_answer(Message(None, octets.replace(b"\r", b"").replace(b"\n", b"\r\n")))


@given(
    st.from_regex(r"[a-z][a-z0-9.+-]{0,20}", fullmatch=True), st.binary(max_size=60), st.binary(max_size=60)
)
def test_an_address_is_found_between_anything(local_part, before, behind):
    address = f"{local_part}@home.example.net"
    assert address in addresses_in(before + b" <" + address.encode() + b"> " + behind)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"Status: 5.1.1\r\n", "5.1.1"),
        (b"status:4.4.7 (x)\r\n", "4.4.7"),
        (b"said: 550 5.7.26 no\r\n", "5.7.26"),
        (b"version 5.15.2.1\r\n", "5.0.0"),
        (b"Status: 2.0.0\r\n", "5.0.0"),
        (b"", "5.0.0"),
    ],
)
def test_the_status_of_a_bounce(text, status):
    assert status_of(b"X: y\r\n" + text) == status


def test_exim_s_bounces_are_no_answers():
    head = b"X-Failed-Recipients: a@b.example\r\n"
    head += b"Auto-Submitted: auto-replied\r\nFrom: Mail <x@y.example>\r\n\r\n"
    assert not is_answer(Message(None, head))
    assert is_answer(Message(None, head.split(b"\r\n", 1)[1]))


def test_a_report_is_a_report():
    import email.policy

    parsed = email.message_from_bytes(
        write_report("mx.proj.example", "ada@proj.example", "bob@example.com", "5.1.1"),
        policy=email.policy.SMTP,
    )
    assert parsed.get_content_type() == "multipart/report"
    status = parsed.get_payload()[1]
    assert status.get_content_type() == "message/delivery-status"
    assert b"\n" not in write_report("a", "b", "c", "4.0.0").replace(b"\r\n", b"")
