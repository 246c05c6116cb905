"""The dialogue with a client: commands, pipelining, DATA, errors."""

import asyncio

import pytest

from core.alias_table import AliasTableUnavailable
from core.routing import Entitlement, Hold, Switch
from tests.relay.fakes import Client, message


async def test_ehlo_offers_what_we_hold(world):
    """B05: 8BITMIME stands beside SMTPUTF8 (RFC 6531 §3.1)."""
    async with world() as w:
        client = await Client.connect(w.port)
        assert (await client.reply()).startswith("220 mx.proj.example ESMTP")
        offers = [line[4:] for line in (await client.say("EHLO x.example.com")).split("\n")]
        assert offers[0] == "mx.proj.example"
        assert {"PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"} <= set(offers)
        assert any(offer.startswith("SIZE ") for offer in offers)
        assert not any(offer.startswith(("AUTH", "STARTTLS", "CHUNKING")) for offer in offers)


async def test_helo_and_the_rare_commands(world):
    async with world() as w:
        client = await Client.connect(w.port)
        await client.reply()
        assert await client.say("MAIL FROM:<a@example.com>") == "503 5.5.1 Say EHLO first"
        assert await client.say("HELO x.example.com") == "250 mx.proj.example"
        assert (await client.say("noop")).startswith("250")
        assert (await client.say("VRFY ada@proj.example")).startswith("252")
        assert (await client.say("HELP")).startswith("250")
        assert (await client.say("EXPN list")).startswith("502")
        assert (await client.say("AUTH PLAIN AGFkYQBhZGE=")).startswith("500")
        assert (await client.say("RCPT TO:<ada@proj.example>")).startswith("503")
        assert (await client.mail("ada@proj.example")).startswith("250")
        assert (await client.say("RSET")).startswith("250")
        assert (await client.say("QUIT")).startswith("221")
        assert await client.end_of_file()


@pytest.mark.parametrize("end", ["\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r.\r\n"])
async def test_b02_a_smuggled_message_is_never_a_second_transaction(world, end):
    """B02: the whole is one message with a bare CR or LF, and refused."""
    async with world() as w:
        client = await w.client()
        await client.envelope("ada@proj.example")
        await client.say("DATA")
        client.send(
            f"Subject: a\r\n\r\nhi{end}MAIL FROM:<ceo@example.com>\r\nRCPT TO:<ada@proj.example>\r\n"
            "DATA\r\nSubject: b\r\n\r\nforged\r\n.\r\nNOOP\r\n"
        )
        assert (await client.reply()).startswith("550 5.6.11")
        assert (await client.reply()).startswith("250")
        assert w.home.taken == []


async def test_b02_bare_line_ends_in_commands_are_refused(world):
    """B02: in commands too."""
    async with world() as w:
        client = await w.client()
        for line in ("NOOP\n", "NO\rOP\r\n", "NOOP\r\r\n", "NO\0OP\r\n"):
            client.send(line)
            assert (await client.reply()).startswith("500")
        assert (await client.say("NOOP")).startswith("250")


async def test_b04_a_line_of_a_million_octets_passes_as_it_is(world):
    """B04: one reply after all of DATA, in sync, octets unchanged."""
    async with world() as w:
        content = message(b"x" * 1_050_000 + b"\r\nMAIL FROM:<x@example.com>\r\n")
        client = await w.client()
        await client.envelope("ada@proj.example")
        await client.say("DATA")
        client.send(content + b".\r\nNOOP\r\n")
        assert (await client.reply()).startswith("250 2.0.0")
        assert (await client.reply()).startswith("250")
        assert w.home.taken[0].body == content


async def test_b05_octets_over_127_and_nul_pass_as_they_are(world):
    """B05: 0xE9 alone is no UTF-8, and stays."""
    async with world() as w:
        content = message(b"caf\xe9 \0 \xff\r\n")
        client = await w.client()
        await client.envelope("ada@proj.example", more=" BODY=8BITMIME")
        assert (await client.data(content)).startswith("250")
        assert w.home.taken[0].body == content
        assert "BODY=8BITMIME" in w.home.taken[0].mail_line


async def test_b07_a_client_that_goes_away_in_data_leaves_nothing(world):
    """B07: half a message goes nowhere, and the counters come back to nothing."""
    async with world() as w:
        relay = await w.relay()
        clients = [await w.client() for _ in range(20)]
        for client in clients:
            await client.envelope("ada@proj.example")
            await client.say("DATA")
            client.send(b"Subject: half\r\n\r\n" + b"x" * 10_000)
        await asyncio.sleep(0.1)
        for client in clients:
            client.reset()
        await asyncio.sleep(0.3)
        assert w.home.taken == []
        assert relay.service.policy.connections == 0
        assert relay.service.policy.memory_used == 0
        assert not relay.service.dialogues


async def test_b10_bounces_to_an_alias_stay_from_nobody(world):
    """B10: the null sender is never rewritten."""
    async with world() as w:
        client = await w.client()
        for arguments in ("FROM:<>", "FROM:<> SIZE=900", "FROM: <>"):
            assert (await client.say(f"MAIL {arguments}")).startswith("250")
            assert (await client.say("RCPT TO:<ada@proj.example>")).startswith("250")
            assert (await client.data(message())).startswith("250")
        assert [taken.sender for taken in w.home.taken] == ["", "", ""]


async def test_b46_dsn_parameters_are_dropped(world):
    """B46: real mail has them, asked for or not; they go to nobody."""
    async with world() as w:
        client = await w.client()
        say = client.say
        more = "SIZE=1200 BODY=8BITMIME RET=HDRS ENVID=q1+3D2 AUTH=<>"
        assert (await say(f"MAIL FROM:<s@example.com> {more}")).startswith("250")
        parameters = "NOTIFY=FAILURE,DELAY ORCPT=rfc822;ada@proj.example"
        assert (await say(f"RCPT TO:<ada@proj.example> {parameters}")).startswith("250")
        assert (await client.data(message())).startswith("250")
        wire = " ".join(w.home.visits[0].commands)
        assert not any(word in wire for word in ("RET=", "ENVID", "AUTH=", "NOTIFY", "ORCPT"))
        assert (await say("HELO x.example.com")).startswith("250")
        assert (await say("mail from: <s@example.com> ret=full")).startswith("250")
        assert (await say("rcpt to: <ada@proj.example> notify=never")).startswith("250")
        await say("RSET")
        assert (await say("MAIL FROM:<s@example.com> SIZE=99999999999")).startswith("552 5.3.4")
        assert (await say("MAIL FROM:<s@example.com> SIZE=abc")).startswith("501")


async def test_b47_a_pipelined_group_is_answered_in_order(world):
    """B47: nothing lost, nothing taken for something else."""
    async with world() as w:
        client = await w.client()
        client.send(
            "MAIL FROM:<s@example.com>\r\nRCPT TO:<nobody@proj.example>\r\nDATA\r\nRSET\r\n"
            "MAIL FROM:<s@example.com>\r\nRCPT TO:<nobody@proj.example>\r\n"
            "RCPT TO:<ada@proj.example>\r\nDATA\r\n"
        )
        codes = [(await client.reply())[:3] for _ in range(8)]
        assert codes == ["250", "550", "503", "250", "250", "550", "250", "354"]
        client.send(message() + b".\r\nQUIT\r\n")
        assert [(await client.reply())[:3] for _ in range(2)] == ["250", "221"]
        assert len(w.home.taken) == 1


async def test_a_whole_message_in_one_segment(world):
    async with world() as w:
        client = await w.client()
        group = b"MAIL FROM:<s@example.com>\r\nRCPT TO:<ada@proj.example>\r\nDATA\r\n"
        client.send(b"".join(group + message() + b".\r\n" for _ in range(3)))
        codes = [(await client.reply())[:3] for _ in range(12)]
        assert codes == ["250", "250", "354", "250"] * 3
        assert len(w.home.taken) == 3


@pytest.mark.parametrize(
    ("facts", "reply"),
    [
        ({}, "250 2.1.5"),
        ({"hold": Hold.ADMIN}, "550 5.2.1"),
        ({"entitlement": Entitlement.ENDED}, "550 5.1.6"),
        ({"switch": Switch.OFF_REFUSED}, "550 5.2.1"),
        ({"recipients": ()}, "450 4.2.1"),
    ],
)
async def test_replies_at_rcpt_are_those_of_the_route(world, facts, reply):
    async with world() as w:
        w.table.alias("eve", "eve@home.example.net", **facts)
        client = await w.client()
        assert (await client.envelope("eve@proj.example"))[0].startswith(reply)


async def test_unknown_addresses_and_foreign_domains(world):
    async with world() as w:
        client = await w.client()
        replies = await client.envelope(
            "nobody@proj.example", "ada@elsewhere.example", "ada+tag@proj.example"
        )
        assert [reply[:9] for reply in replies] == ["550 5.1.1", "550 5.1.2", "250 2.1.5"]


async def test_while_the_table_is_unsure_the_sender_tries_later(world):
    """Design, The relay, 6: a database that is busy or gone is never a 5xx."""
    async with world() as w:
        client = await w.client()
        w.table.fault = AliasTableUnavailable("OperationalError")
        assert (await client.envelope("ada@proj.example"))[0].startswith("451 4.3.0")
        w.table.fault = None
        assert (await client.say("RCPT TO:<ada@proj.example>")).startswith("250")


async def test_b52_postmaster_is_always_reached(world):
    """B52, B50: with and without a domain, by the domain's admins or the ops address."""
    async with world() as w:
        w.table.domains.add("mx.proj.example")
        client = await w.client()
        assert (await client.mail("PostMaster@proj.example")).startswith("250")
        w.table.admins = ["admin@home.example.net"]
        assert (await client.mail("abuse@proj.example")).startswith("250")
        assert (await client.mail("postmaster")).startswith("250")
        recipients = [taken.recipient for taken in w.home.taken]
        assert recipients == ["ops@home.example.net", "admin@home.example.net", "admin@home.example.net"]


async def test_postmaster_without_a_domain_is_taken_though_no_domain_is_ours(world):
    """RFC 5321 §4.5.1: `<postmaster>` is taken by every server."""
    async with world() as w:
        client = await w.client()
        assert (await client.mail("postmaster")).startswith("250")
        assert w.home.taken[0].recipient == "ops@home.example.net"


async def test_too_many_errors_end_the_session(world):
    async with world(errors=5) as w:
        client = await w.client()
        replies = [await client.say("NONSENSE") for _ in range(6)]
        assert [reply[:3] for reply in replies] == ["500"] * 5 + ["421"]
        assert await client.end_of_file()


async def test_too_many_commands_without_a_message_end_the_session(world):
    async with world(commands_without_mail=30) as w:
        client = await w.client()
        replies = [await client.say("NOOP") for _ in range(30)]
        assert replies[-1].startswith("421")


async def test_a_command_line_without_end_is_refused_once(world):
    async with world() as w:
        client = await w.client()
        client.send(b"NOOP " + b"x" * 300_000 + b"\r\nNOOP\r\n")
        assert (await client.reply()).startswith("500")
        assert (await client.reply()).startswith("250")


async def test_a_browser_is_cut_off(world):
    async with world() as w:
        client = await Client.connect(w.port)
        client.send("POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@example.com>\r\n")
        await client.reply()
        assert (await client.reply()).startswith("500")
        assert await client.end_of_file()


async def test_a_message_over_the_size_is_read_and_refused(world):
    async with world(message_size=50_000) as w:
        client = await w.client()
        assert (await client.say("MAIL FROM:<a@example.com> SIZE=50001")).startswith("552 5.3.4")
        answer = await client.mail("ada@proj.example", content=message(b"x" * 60_000 + b"\r\n"))
        assert answer.startswith("552 5.3.4")
        assert (await client.mail("ada@proj.example")).startswith("250")


async def test_a_client_that_sends_without_end_is_cut_off(world):
    """B49: past a multiple of the limit."""
    async with world(message_size=50_000) as w:
        client = await w.client()
        await client.envelope("ada@proj.example")
        await client.say("DATA")
        try:
            for _ in range(200):
                client.send(b"x" * 10_000 + b"\r\n")
                await client.writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            pass
        assert await client.end_of_file()


async def test_too_many_recipients(world):
    async with world(recipients=3) as w:
        client = await w.client()
        replies = await client.envelope(*["ada@proj.example"] * 4)
        assert [reply[:9] for reply in replies] == ["250 2.1.5"] * 3 + ["452 4.5.3"]


async def test_a_mail_that_runs_in_circles_is_refused(world):
    """RFC 5321 §6.3: by its Received fields."""
    async with world() as w:
        client = await w.client()
        head = b"Received: from a by b; date\r\n" * 51
        assert (await client.mail("ada@proj.example", content=head + message())).startswith("554 5.4.6")
        body = message(b"\r\n" + b"Received: from a by b; date\r\n" * 60)
        assert (await client.mail("ada@proj.example", content=body)).startswith("250")


async def test_a_mail_that_comes_back_to_the_same_alias_is_refused(world):
    """Design, The relay, 7: by the loop mark, which says nothing to others."""
    async with world() as w:
        w.table.alias("bob", "bob@home.example.net")
        client = await w.client()
        await client.mail("ada@proj.example")
        returned = w.home.taken[0].content
        assert b"ada@proj.example" not in returned.split(b"\r\n\r\n")[0].split(b"Subject")[0].split(b"To:")[0]
        assert (await client.mail("ada@proj.example", content=returned)).startswith("554 5.4.6")
        assert (await client.mail("bob@proj.example", content=returned)).startswith("250")


async def test_b16_a_recipient_on_a_domain_of_ours_is_followed_once(world):
    """B16: a domain may become ours after the recipient was named."""
    async with world() as w:
        w.table.domains.add("other.example")
        w.table.alias("eve", "eve@other.example")
        w.table.alias("eve@other.example", "eve@home.example.net")
        w.table.alias("loop", "loop@proj.example")
        client = await w.client()
        assert (await client.mail("eve@proj.example")).startswith("250")
        assert w.home.taken[0].recipient == "eve@home.example.net"
        assert w.home.taken[0].content.count(b"Waypost-Loop:") == 2
        assert (await client.mail("loop@proj.example"))[:3] in ("554", "451")


async def test_the_empty_message_is_a_message(world):
    async with world() as w:
        client = await w.client()
        assert (await client.mail("ada@proj.example", content=b"\r\n")).startswith("250")
        await client.envelope("ada@proj.example")
        await client.say("DATA")
        assert (await client.say(".")).startswith("250")
        assert [taken.body for taken in w.home.taken] == [b"\r\n", b""]
