"""Limits: slow, silent, many and guessing clients; honest mail goes on meanwhile."""

import asyncio
import time

import pytest

from relay.limits import Limits
from relay.policy import Policy
from tests.relay.fakes import Client, message

UNTRUSTED = {"relay_trusted_networks": []}


async def test_a_silent_client_is_told_and_cut_off(world):
    async with world(idle=0.3) as w:
        client = await Client.connect(w.port)
        await client.reply()
        assert (await client.reply()).startswith("421 4.4.2")
        assert await client.end_of_file()


async def test_a_client_that_talks_is_not(world):
    async with world(idle=0.3) as w:
        client = await w.client()
        for _ in range(5):
            await asyncio.sleep(0.15)
            assert (await client.say("NOOP")).startswith("250")
        assert (await client.mail("ada@proj.example")).startswith("250")


async def test_silence_while_we_deliver_is_not_the_client_s(world):
    async with world(idle=0.2) as w:
        w.home.delay = 0.6
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")


@pytest.mark.parametrize("kind", ["idle", "trickle", "total"])
async def test_b49_a_slow_message_is_cut_off_and_its_rest_is_no_command(world, kind):
    """B49: one octet now and then resets no timer; after 421 nothing more is obeyed."""
    limits = {"idle": {"data_idle": 0.3}, "trickle": {"data_slow_after": 0.3}, "total": {"data_total": 0.4}}[
        kind
    ]
    async with world(
        idle=1,
        **{
            "data_slow_after": 0.2,
            "data_floor": 0,
            **limits,
            **({"data_floor": 100} if kind == "trickle" else {}),
        },
    ) as w:
        client = await w.client()
        await client.envelope("ada@proj.example")
        await client.say("DATA")
        for _ in range(10):
            client.send(b"x")
            if kind != "idle":
                await asyncio.sleep(0.1)
        assert (await client.reply()).startswith("421 4.4.2")
        client.send(b"\r\nRCPT TO:<ada@proj.example>\r\nNOOP\r\n")
        assert await client.end_of_file()
        assert w.home.taken == []


async def test_b49_honest_mail_goes_on_among_slow_clients(world, tmp_path):
    """B49: a hundred silent ones, a hundred in DATA, fifty with endless bodies."""
    async with world(connections=400) as w:
        relay = await w.relay()
        others = [await Client.connect(w.port) for _ in range(100)]
        for number in range(150):
            client = await w.client()
            await client.envelope("ada@proj.example")
            await client.say("DATA")
            client.send(b"x" * (50_000 if number % 3 == 0 else 1))
            others.append(client)
        started = time.monotonic()
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")
        assert time.monotonic() - started < 20  # the slow ones may stay for a minute and more
        assert relay.service.policy.connections == 251
        for client in others:
            client.close()


async def test_connections_of_one_client_are_limited(world):
    async with world(connections_per_client=3) as w:
        relay = await w.relay(settings=UNTRUSTED)
        clients = [await w.client() for _ in range(3)]
        extra = await Client.connect(w.port)
        assert (await extra.reply()).startswith("421 4.7.0")
        assert await extra.end_of_file()
        other = await w.client(source="127.0.0.77")
        assert (await other.mail("ada@proj.example")).startswith("250")
        clients[0].close()
        await asyncio.sleep(0.1)
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")
        assert relay.service.policy.connections <= 4


async def test_connections_in_all_are_limited(world):
    async with world(connections=3) as w:
        _ = [await w.client() for _ in range(3)]
        extra = await Client.connect(w.port)
        assert (await extra.reply()).startswith("421 4.7.0")


async def test_unknown_recipients_of_one_client_are_limited(world):
    async with world(unknown_recipients=4, unknown_window=0.5) as w:
        await w.relay(settings=UNTRUSTED)
        client = await w.client()
        replies = await client.envelope(*[f"guess{number}@proj.example" for number in range(5)])
        assert [reply[:3] for reply in replies] == ["550"] * 4 + ["421"]
        assert (await (await Client.connect(w.port)).reply()).startswith("421")
        assert (await (await w.client(source="127.0.0.77")).mail("ada@proj.example")).startswith("250")
        await asyncio.sleep(0.6)
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")


async def test_trusted_networks_have_no_limits_of_their_own(world):
    async with world(unknown_recipients=1, connections_per_client=1, pair_burst=1) as w:
        clients = [await w.client() for _ in range(3)]
        replies = await clients[0].envelope(*[f"guess{number}@proj.example" for number in range(5)])
        assert {reply[:3] for reply in replies} == {"550"}
        for _ in range(3):
            assert (await clients[1].mail("ada@proj.example")).startswith("250")


async def test_b17_two_answering_machines_tire(world):
    """B17: a rate for one sender and one alias, held in memory only; others are not held up."""
    async with world(pair_burst=5, pair_refill=1000) as w:
        await w.relay(settings=UNTRUSTED)
        client = await w.client()
        for _ in range(5):
            assert (await client.mail("ada@proj.example", sender="vacation@example.org")).startswith("250")
        assert (await client.envelope("ada@proj.example", sender="vacation@example.org"))[0].startswith(
            "451 4.7.1"
        )
        await client.say("RSET")
        assert (await client.mail("ada@proj.example", sender="bob@example.org")).startswith("250")
        for _ in range(7):  # postmaster is never subject to it
            assert (await client.mail("postmaster@proj.example", sender="vacation@example.org")).startswith(
                "250"
            )


async def test_memory_has_a_ceiling(world):
    """452 4.3.1 before it is passed, whether the size was declared or not."""
    async with world(memory=400_000) as w:
        relay = await w.relay()
        policy = relay.service.policy
        first = await w.client()
        await first.envelope("ada@proj.example", more=" SIZE=200000")
        await first.say("DATA")
        second = await w.client()
        await second.envelope("ada@proj.example", more=" SIZE=200000")
        assert (await second.say("DATA")).startswith("452 4.3.1")
        third = await w.client()
        await third.envelope("ada@proj.example")
        assert (await third.data(message(b"x" * 200_000 + b"\r\n"))).startswith("452 4.3.1")
        assert policy.memory_used <= 400_000
        first.send(message(b"x" * 190_000 + b"\r\n") + b".\r\n")
        assert (await first.reply()).startswith("250")
        await first.say("NOOP")
        await second.say("RSET")
        assert (await second.mail("ada@proj.example", content=message(b"x" * 100_000 + b"\r\n"))).startswith(
            "250"
        )
        await second.say("NOOP")
        assert policy.memory_used == 0


async def test_a_client_that_does_not_read_is_cut_off(world):
    async with world(idle=0.5, commands_without_mail=10**9) as w:
        relay = await w.relay()
        client = await w.client()
        client.writer.transport.pause_reading()
        end = time.monotonic() + 15
        while relay.service.dialogues and time.monotonic() < end:
            client.send("HELP\r\n" * 2000)
            await asyncio.sleep(0.05)
        assert not relay.service.dialogues
        client.writer.transport.abort()


async def test_b56_a_resolver_that_never_answers_holds_up_nobody_else(world):
    """B56: twenty sessions wait for it, an honest one does not."""
    async with world(dns=3) as w:
        w.resolver.records["slow.example.net", "MX"] = "TIMEOUT"
        w.table.alias("slow", "x@slow.example.net")
        clients = [await w.client() for _ in range(20)]
        waiting = [asyncio.ensure_future(client.mail("slow@proj.example")) for client in clients]
        await asyncio.sleep(0.1)
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")
        assert not any(task.done() for task in waiting)
        assert {answer[:9] for answer in await asyncio.gather(*waiting)} == {"451 4.4.3"}


def test_a_client_is_an_ipv4_address_or_an_ipv6_net():
    policy = Policy(Limits(), ("10.0.0.0/8",))
    assert policy.client_of("2001:db8::1")[0] == policy.client_of("2001:db8::ffff")[0]
    assert policy.client_of("2001:db8::1")[0] != policy.client_of("2001:db8:0:1::1")[0]
    assert policy.client_of("10.1.2.3")[1] and not policy.client_of("192.0.2.1")[1]


def test_what_no_longer_matters_is_forgotten():
    now = [0.0]
    policy = Policy(Limits(pair_refill=10, unknown_window=10), clock=lambda: now[0])
    policy.pair("192.0.2.1", "a@example.com", "b@proj.example")
    policy.unknown_recipient("192.0.2.1")
    now[0] = 100
    policy.sweep()
    assert not policy._pairs and not policy._clients


def test_b17_only_a_hash_is_kept():
    policy = Policy(Limits())
    policy.pair("192.0.2.1", "secret-sender@example.com", "b@proj.example")
    assert "secret" not in repr(policy._pairs) + repr(policy._clients)


STEPS = ["connect", "EHLO", "MAIL", "RCPT", "DATA", "half a message", "final dot", "answer"]


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("last", STEPS)
async def test_a_client_may_leave_at_every_point(world, monkeypatch, last, how):
    """The counters come back to nothing, and nothing of it is a fault of ours."""
    from relay import faults

    reported = []
    monkeypatch.setattr(faults, "report", lambda where, error: reported.append((where, error)))
    async with world() as w:
        relay = await w.relay()
        client = await Client.connect(w.port)
        words = {
            "EHLO": b"EHLO x.example.com\r\n",
            "MAIL": b"MAIL FROM:<bob@example.com>\r\n",
            "RCPT": b"RCPT TO:<ada@proj.example>\r\n",
            "DATA": b"DATA\r\n",
            "half a message": message()[:50],
            "final dot": message()[50:] + b".\r\n",
        }
        for step in STEPS[: STEPS.index(last) + 1]:
            client.send(words.get(step, b""))
            if step not in ("half a message", "final dot"):
                await client.reply()
            await client.writer.drain()
        end = time.monotonic() + 10
        while last == "final dot" and not w.home.visits and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # what a client has not sent yet when it resets is not sent
        getattr(client, how)()
        policy = relay.service.policy
        taken = int(last in ("final dot", "answer"))
        end = time.monotonic() + 10
        while (policy.connections or len(w.home.taken) < taken) and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        assert (policy.connections, policy.memory_used, len(relay.service.dialogues)) == (0, 0, 0)
        assert len(w.home.taken) == taken
        assert reported == []


async def test_b56_a_big_message_stops_nobody_else(world):
    """B56: 40 MB in, out, hashed and looked through: nothing works long on the event loop's thread."""
    async with world(message_size=50 * 1024 * 1024) as w:
        longest = [0.0]

        async def watch() -> None:
            while True:
                before = time.thread_time()
                await asyncio.sleep(0.005)
                longest[0] = max(longest[0], time.thread_time() - before)

        watching = asyncio.ensure_future(watch())
        client = await w.client()
        content = message((b"x" * 70 + b"\r\n") * 560_000)
        await client.envelope("ada@proj.example")
        await client.say("DATA")
        longest[0] = 0
        for start in range(0, len(content), 65_536):
            client.send(content[start : start + 65_536])
            await client.writer.drain()
        client.send(b".\r\n")
        assert (await client.reply()).startswith("250")
        client.reset()
        await asyncio.sleep(0.2)
        watching.cancel()
        assert w.home.taken[0].content.endswith(b"x\r\n")
        assert longest[0] < 0.5  # the test's own servers work on the same loop
