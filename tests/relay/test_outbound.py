"""The way out: DNS, hosts, the pool, and what the next hop can take."""

import asyncio

import pytest

from core.delivery import Event
from tests.relay.fakes import DROP, SILENT, message


async def test_b22_a_domain_that_does_not_exist_is_permanent(world):
    """B22 a: and the recipient is marked failing."""
    async with world() as w:
        relay = await w.relay()
        w.table.alias("ada", "ada@nowhere.example.net")
        assert (await (await w.client()).mail("ada@proj.example")).startswith("550 5.1.2")
        await relay.service.counters.flush()
        assert [count.event for count in w.counts] == [Event.REFUSED_MAILBOX]


async def test_b22_a_domain_without_mx_takes_mail_at_its_address(world):
    """B22 b: the implicit MX."""
    async with world() as w:
        w.resolver.records["plain.example.net", "A"] = [w.home.host]
        w.table.alias("ada", "ada@plain.example.net")
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")


async def test_b22_a_domain_with_neither_is_permanent(world):
    """B22 c."""
    async with world() as w:
        w.resolver.records["bare.example.net", "TXT"] = ['"x"']
        w.table.alias("ada", "ada@bare.example.net")
        assert (await (await w.client()).mail("ada@proj.example")).startswith("550 5.1.2")


@pytest.mark.parametrize("answer", ["SERVFAIL", "TIMEOUT", "REFUSED", "TRUNCATED"])
@pytest.mark.parametrize("where", ["MX", "address"])
async def test_b22_a_resolver_without_an_answer_is_temporary(world, answer, where):
    """B22 d, e, f, g: for the MX and for its address."""
    async with world(dns=1) as w:
        name = ("home.example.net", "MX") if where == "MX" else ("mx.home.example.net", "A")
        good, w.resolver.records[name] = w.resolver.records[name], answer
        client = await w.client()
        assert (await client.mail("ada@proj.example")).startswith("451 4.4.3")
        w.resolver.records[name] = good
        assert (await client.mail("ada@proj.example")).startswith("250")


async def test_b22_one_address_family_that_fails_does_not_matter(world):
    """B22 h: as long as the other one answers."""
    async with world(dns=1) as w:
        w.resolver.records["mx.home.example.net", "AAAA"] = "SERVFAIL"
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")


async def test_b25_null_mx(world):
    """B25: permanent at once, no look at the address; a normal host at preference 0 is none."""
    async with world() as w:
        w.resolver.records["n.example.net", "MX"] = ["0 ."]
        w.resolver.records["n.example.net", "A"] = [w.home.host]
        w.resolver.records["z.example.net", "MX"] = ["0 mx.home.example.net."]
        w.table.alias("ada", "ada@n.example.net")
        w.table.alias("zoe", "zoe@z.example.net")
        client = await w.client()
        assert (await client.mail("ada@proj.example")).startswith("556 5.1.10")
        assert (await client.mail("zoe@proj.example")).startswith("250")


async def test_cnamed_mx_and_cnamed_domain(world):
    async with world() as w:
        w.resolver.records["c.example.net", "CNAME"] = ["home.example.net."]
        w.resolver.records["home.example.net", "MX"] = ["10 other.example.net."]
        w.resolver.records["other.example.net", "CNAME"] = ["mx.home.example.net."]
        w.table.alias("zoe", "zoe@c.example.net")
        client = await w.client()
        assert (await client.mail("ada@proj.example")).startswith("250")
        assert (await client.mail("zoe@proj.example")).startswith("250")


async def test_an_mx_that_names_ourselves(world):
    """RFC 5321 §5.1: better hosts are tried, worse ones are not; with none it is a circle."""
    async with world() as w:
        better, worse = await w.server(), await w.server()
        for name, server in (("better", better), ("worse", worse)):
            w.resolver.records[f"{name}.example.net", "A"] = [server.host]
        w.resolver.records["us.example.net", "MX"] = ["10 MX.proj.example.", "20 worse.example.net."]
        w.resolver.records["mid.example.net", "MX"] = [
            "5 better.example.net.",
            "10 mx.proj.example.",
            "20 worse.example.net.",
        ]
        w.table.alias("ada", "ada@us.example.net")
        w.table.alias("zoe", "zoe@mid.example.net")
        client = await w.client()
        assert (await client.mail("ada@proj.example")).startswith("554 5.4.6")
        assert (await client.mail("zoe@proj.example")).startswith("250")
        better.script["mail"] = "451 4.3.0 later"
        assert (await client.mail("zoe@proj.example")).startswith("451")
        assert worse.visits == []


async def test_an_address_that_is_our_own_listener_is_a_circle(world):
    async with world() as w:
        relay = await w.relay()
        w.resolver.mail_domain("self.example.net", "127.0.0.1")
        relay._pool._own_ports = frozenset({w.home.port})
        from tests.relay.fakes import MailServer

        ourselves = await MailServer().start("127.0.0.1", w.home.port)
        w.table.alias("ada", "ada@self.example.net")
        assert (await (await w.client()).mail("ada@proj.example")).startswith("554 5.4.6")
        assert ourselves.taken == []
        await ourselves.stop()


async def test_on_port_25_nobody_s_mx_opens_loopback(world):
    from relay.mx import DnsPermanentError, MailExchangers

    async with world() as w:
        exchangers = MailExchangers(w.resolver.address, 25, (), 2)
        with pytest.raises(DnsPermanentError):
            await exchangers.hosts("home.example.net")


@pytest.mark.parametrize(
    "step",
    [
        ("connect", DROP),
        ("connect", "421 busy"),
        ("connect", "554 not you"),
        ("ehlo", SILENT),
        ("mail", "451 later"),
        ("rcpt", "450 later"),
        ("data", "421 closing"),
        ("mail", "550 mx.proj.example?"),
    ],
)
async def test_b13_hosts_of_worse_preference_are_tried(world, step):
    """B13: after whatever may be better elsewhere; a refusal about us is one of them."""
    async with world(reply=0.3) as w:
        second = await w.server()
        w.resolver.records["home.example.net", "MX"] = ["10 mx.home.example.net.", "20 mx2.home.example.net."]
        w.resolver.records["mx2.home.example.net", "A"] = [second.host]
        w.home.script = dict([step])
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")
        assert len(second.taken) == 1


async def test_both_address_families_and_all_addresses_of_a_host_are_tried(world):
    async with world() as w:
        w.resolver.records["mx.home.example.net", "AAAA"] = ["::1"]
        w.resolver.records["mx.home.example.net", "A"] = ["127.0.0.99", w.home.host]
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")


async def test_hosts_of_equal_preference_share_the_load(world):
    async with world() as w:
        second = await w.server()
        w.resolver.records["home.example.net", "MX"] = ["10 mx.home.example.net.", "10 mx2.home.example.net."]
        w.resolver.records["mx2.home.example.net", "A"] = [second.host]
        client = await w.client()
        for _ in range(24):
            await client.mail("ada@proj.example")
        assert w.home.taken and second.taken


async def test_a_refusal_for_good_is_not_asked_again_elsewhere(world):
    async with world() as w:
        second = await w.server()
        w.resolver.records["home.example.net", "MX"] = ["10 mx.home.example.net.", "20 mx2.home.example.net."]
        w.resolver.records["mx2.home.example.net", "A"] = [second.host]
        w.home.script["rcpt"] = "550 5.1.1 gone"
        assert (await (await w.client()).mail("ada@proj.example")).startswith("550 5.1.1")
        assert second.visits == []


async def test_answers_of_the_resolver_are_kept_for_their_ttl(world):
    async with world() as w:
        client = await w.client()
        for _ in range(5):
            await client.mail("ada@proj.example")
        assert w.resolver.questions.count(("home.example.net", "MX")) == 1


async def test_an_answer_that_is_too_old_is_asked_for_again(world):
    from relay.mx import MailExchangers

    async with world() as w:
        now = [0.0]
        exchangers = MailExchangers(w.resolver.address, 25252, (), 2, clock=lambda: now[0])
        w.resolver.ttl = 60
        for moment, asked in ((0, 1), (59, 1), (61, 2)):
            now[0] = moment
            await exchangers.hosts("home.example.net")
            assert w.resolver.questions.count(("home.example.net", "MX")) == asked


async def test_many_who_want_to_know_ask_once(world):
    async with world() as w:
        clients = [await w.client() for _ in range(10)]
        await asyncio.gather(*(client.mail("ada@proj.example") for client in clients))
        assert w.resolver.questions.count(("home.example.net", "MX")) == 1


async def test_connections_are_kept_and_used_again(world):
    async with world() as w:
        client = await w.client()
        for _ in range(5):
            assert (await client.mail("ada@proj.example")).startswith("250")
        assert len(w.home.visits) == 1


async def test_a_kept_connection_is_checked_before_use(world):
    """421 said into the silence, or the connection closed: the next message takes a new one."""
    async with world() as w:
        client = await w.client()
        for farewell in ("421 4.4.2 bye\r\n", ""):
            assert (await client.mail("ada@proj.example")).startswith("250")
            visit = w.home.visits[-1]
            if farewell:
                visit.writer.write(farewell.encode())
            else:
                visit.writer.close()
            await asyncio.sleep(0.1)
        assert (await client.mail("ada@proj.example")).startswith("250")
        assert len(w.home.visits) == 3


@pytest.mark.parametrize("step", [DROP, "421 4.7.0 enough messages"])
async def test_a_kept_connection_that_ends_at_the_next_mail_is_replaced(world, step):
    async with world() as w:
        w.home.script["mail"] = lambda visit: step if len(visit.commands) > 3 else None
        client = await w.client()
        for _ in range(3):
            assert (await client.mail("ada@proj.example")).startswith("250")
        assert len(w.home.visits) == 3


async def test_connections_end_after_a_while_and_after_many_messages(world):
    async with world(pool_idle=0.2, pool_uses=2) as w:
        client = await w.client()
        for _ in range(4):
            await client.mail("ada@proj.example")
        assert len(w.home.visits) == 2
        await client.mail("ada@proj.example")
        await asyncio.sleep(0.3)
        await client.mail("ada@proj.example")
        assert len(w.home.visits) == 4
        assert w.home.visits[0].commands[-1] == "QUIT"


async def test_after_a_refusal_the_connection_is_used_again(world):
    async with world() as w:
        client = await w.client()
        w.home.script["rcpt"] = "550 5.1.1 gone"
        assert (await client.mail("ada@proj.example")).startswith("550")
        w.home.script.clear()
        assert (await client.mail("ada@proj.example")).startswith("250")
        assert len(w.home.visits) == 1
        assert "RSET" in w.home.visits[0].commands


@pytest.mark.parametrize(
    "script",
    [{"rcpt": "550 5.1.1 gone", "data": "354 go on anyway"}, {"mail": "550 5.1.8 no", "data": "354 go on"}],
)
async def test_b47_an_empty_message_never_counts(world, script):
    """B47: no recipient, yet 354: the dot is sent at once and means nothing."""
    async with world() as w:
        w.home.script = script
        assert (await (await w.client()).mail("ada@proj.example")).startswith("5")
        assert w.home.taken == []


async def test_b47_a_server_that_refuses_the_sender_and_takes_the_recipient_gets_no_empty_message(world):
    async with world() as w:
        w.home.script = {"mail": "550 5.1.8 no", "rcpt": "250 yes", "data": "354 go on"}
        w.home.script["rcpt"] = lambda visit: visit.recipients.append("ada@home.example.net") or "250 yes"
        assert (await (await w.client()).mail("ada@proj.example")).startswith("5")
        await asyncio.sleep(0.1)
        assert w.home.taken == []


async def test_a_server_without_ehlo(world):
    async with world() as w:
        w.home.script["ehlo"] = lambda visit: "502 what" if visit.commands[-1].startswith("EHLO") else None
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")
        assert [command.split()[0] for command in w.home.visits[0].commands][:2] == ["EHLO", "HELO"]


async def test_one_slow_destination_slows_no_other(world):
    """Connection limit and waiting line are each destination's own."""
    async with world(destination_connections=2, destination_waiting=3, destination_patience=0.5) as w:
        away = await w.server("away.example.net", delay=1)
        w.table.alias("slow", "slow@away.example.net")
        clients = [await w.client() for _ in range(8)]
        slow = [asyncio.ensure_future(client.mail("slow@proj.example")) for client in clients]
        await asyncio.sleep(0.1)
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")
        assert not any(task.result().startswith("250") for task in slow if task.done())  # they still wait
        answers = sorted(answer[:9] for answer in await asyncio.gather(*slow))
        assert answers == ["250 2.0.0"] * 2 + ["451 4.4.5"] * 6
        assert away.most_open == 2


async def test_whoever_waits_for_a_slot_gets_it(world):
    async with world(destination_connections=1) as w:
        w.home.delay = 0.05
        clients = [await w.client() for _ in range(6)]
        answers = await asyncio.gather(*(client.mail("ada@proj.example") for client in clients))
        assert {answer[:3] for answer in answers} == {"250"}
        assert w.home.most_open == 1


async def test_a_dead_destination_is_left_alone_for_a_while(world):
    async with world(back_off_first=0.4, back_off_most=0.8) as w:
        w.home.script["connect"] = DROP
        client = await w.client()
        for _ in range(4):
            assert (await client.mail("ada@proj.example")).startswith("451 4.4")
        assert len(w.home.visits) == 2
        w.home.script.clear()
        await asyncio.sleep(0.5)
        assert (await client.mail("ada@proj.example")).startswith("250")
        w.home.script["mail"] = "451 later"
        for _ in range(3):
            await client.mail("ada@proj.example")
        w.home.script.clear()
        assert (await client.mail("ada@proj.example")).startswith("250")


async def test_a_slow_reader_gets_a_big_message_whole(world):
    async with world() as w:
        content = message((b"x" * 998 + b"\r\n.\r\n" + b"y" * 50 + b"\r\n") * 3000)
        assert (await (await w.client()).mail("ada@proj.example", content=content)).startswith("250")
        assert w.home.taken[0].body == content


async def test_b05_an_8_bit_body_and_a_next_hop_that_takes_7(world):
    """B05: never BODY=8BITMIME to a host that does not offer it."""
    async with world() as w:
        w.home.extensions = ["PIPELINING"]
        client = await w.client()
        assert (await client.mail("ada@proj.example", content=message(b"caf\xe9\r\n"))).startswith(
            "554 5.6.3"
        )
        assert (await client.mail("ada@proj.example")).startswith("250")
        assert "BODY" not in w.home.taken[0].mail_line and "SIZE" not in w.home.taken[0].mail_line


async def test_smtputf8_is_asked_for_only_where_it_is_needed(world):
    async with world() as w:
        w.table.alias("ünal", "ada@home.example.net")
        client = await w.client()
        assert (await client.envelope("ünal@proj.example"))[0].startswith("553 5.6.7")
        await client.say("RSET")
        for content, is_needed in ((message(), False), (message(Subject="grüße"), True)):
            await client.envelope("ünal@proj.example", more=" SMTPUTF8")
            assert (await client.data(content)).startswith("250")
            assert ("SMTPUTF8" in w.home.taken[-1].mail_line) == is_needed


async def test_a_mail_that_needs_smtputf8_is_refused_where_the_next_hop_lacks_it(world):
    async with world() as w:
        w.home.extensions = ["PIPELINING", "8BITMIME"]
        w.table.alias("utf", "ünal@home.example.net")
        client = await w.client()
        assert (await client.mail("utf@proj.example")).startswith("550 5.6.7")
        assert (await client.say("MAIL FROM:<zoë@example.com>")).startswith("553 5.6.7")
        await client.envelope("ada@proj.example", sender="zoë@example.com", more=" SMTPUTF8")
        assert (await client.data(message())).startswith("550 5.6.7")
        await client.envelope("ada@proj.example", more=" SMTPUTF8")
        assert (await client.data(message())).startswith("250")


async def test_a_raw_8_bit_subject_needs_no_smtputf8(world):
    """B19: real mail has it; it passes as it is."""
    async with world() as w:
        content = b"Subject: Gr\xfc\xdfe\r\n" + message()
        assert (await (await w.client()).mail("ada@proj.example", content=content)).startswith("250")
        assert w.home.taken[0].body == content
        assert "SMTPUTF8" not in w.home.taken[0].mail_line


async def test_an_idn_domain_goes_out_in_a_labels(world):
    async with world() as w:
        client = await w.client()
        await client.envelope("ada@proj.example", sender="bob@bücher.example", more=" SMTPUTF8")
        assert (await client.data(message())).startswith("250")
        assert "=xn--bcher-kva.example=bob@" in w.home.taken[0].sender


async def test_sub_addresses_are_kept_where_the_owner_wants_them(world):
    async with world() as w:
        w.table.alias("bob", "bob@home.example.net", keeps_tag=True)
        client = await w.client()
        assert (await client.mail("ada+list@proj.example", "bob+list@proj.example")).startswith("250")
        assert sorted(taken.recipient for taken in w.home.taken) == [
            "ada@home.example.net",
            "bob+list@home.example.net",
        ]
