"""The final dot, and no second copy (design, The relay, 4 and 5).

A destination's slowness is given in tenths of seconds here; the relay's own times are cut likewise.
"""

import asyncio
import time

from tests.relay.fakes import DROP, message


async def settle_down(seconds: float = 0.1) -> None:
    await asyncio.sleep(seconds)


async def test_the_client_is_answered_in_time_and_a_late_250_counts(world):
    """The reply comes after the client's answer: the retry is answered 250 without a second copy."""
    async with world(answer_within=0.3) as w:
        w.home.delay = 0.8
        content = message()
        client = await w.client()
        assert (await client.mail("ada@proj.example", content=content)).startswith("451 4.4.7")
        assert not w.home.taken  # the answer did not wait for it
        # While the reply is still awaited, nothing more is sent there.
        assert (await client.mail("ada@proj.example", content=content)).startswith("451 4.4.7")
        await settle_down(0.8)
        assert len(w.home.taken) == 1
        assert (await client.mail("ada@proj.example", content=content)).startswith("250")
        assert len(w.home.taken) == 1
        assert sum(visit.commands.count("DATA") for visit in w.home.visits) == 1


async def test_a_late_refusal_is_the_next_try_s_business(world):
    async with world(answer_within=0.2) as w:
        w.home.delay, w.home.script["dot"] = 0.5, "550 5.7.1 spam"
        content = message()
        client = await w.client()
        assert (await client.mail("ada@proj.example", content=content)).startswith("451 4.4.7")
        await settle_down(0.6)
        w.home.delay = 0
        assert (await client.mail("ada@proj.example", content=content)).startswith("550 5.7.1")


async def test_a_reply_that_never_comes_is_given_up(world):
    """After ten minutes more (here less) the mark goes, and the message may be sent again."""
    async with world(answer_within=0.2, late_reply=0.3) as w:
        w.home.delay = 60
        content = message()
        client = await w.client()
        assert (await client.mail("ada@proj.example", content=content)).startswith("451 4.4.7")
        await settle_down(0.5)
        w.home.delay = 0
        assert (await client.mail("ada@proj.example", content=content)).startswith("250")
        assert len(w.home.taken) == 1


async def test_b07_a_client_that_leaves_after_its_final_dot_makes_no_second_copy(world):
    """B07: the next hop took it meanwhile, so the retry is answered 250 and sends nothing."""
    async with world() as w:
        w.home.delay = 0.4
        content = message()
        client = await w.client()
        await client.envelope("ada@proj.example")
        await client.say("DATA")
        client.send(content + b".\r\n")
        await settle_down(0.2)
        client.reset()
        retry = await w.client()
        assert (await retry.mail("ada@proj.example", content=content)).startswith("451 4.4.7")
        await settle_down(0.4)
        assert (await retry.mail("ada@proj.example", content=content)).startswith("250")
        assert len(w.home.taken) == 1


async def test_a_client_that_leaves_before_our_final_dot_ends_the_try(world):
    async with world() as w:
        w.home.script["mail"] = "silent"
        content = message()
        client = await w.client()
        await client.envelope("ada@proj.example")
        await client.say("DATA")
        client.send(content + b".\r\n")
        await settle_down()
        client.reset()
        await settle_down()
        assert w.home.open == 0
        w.home.script.clear()
        assert (await (await w.client()).mail("ada@proj.example", content=content)).startswith("250")
        assert len(w.home.taken) == 1


async def test_a_lost_reply_leaves_no_mark(world):
    """Only here a copy is possible; loss is not."""
    async with world() as w:
        w.home.script["dot"] = DROP
        content = message()
        client = await w.client()
        assert (await client.mail("ada@proj.example", content=content)).startswith("451 4.4.2")
        w.home.script.clear()
        assert (await client.mail("ada@proj.example", content=content)).startswith("250")
        assert len(w.home.taken) == 1


async def test_no_other_host_is_tried_once_the_final_dot_is_out(world):
    async with world() as w:
        second = await w.server()
        w.resolver.records["home.example.net", "MX"] = ["10 mx.home.example.net.", "20 mx2.home.example.net."]
        w.resolver.records["mx2.home.example.net", "A"] = [second.host]
        client = await w.client()
        for step in (DROP, "421 4.3.2 closing", "451 4.3.0 later", "hello"):
            w.home.script["dot"] = step
            assert (await client.mail("ada@proj.example")).startswith("451")
        assert second.visits == []
        w.home.script = {"data": DROP}
        assert (await client.mail("ada@proj.example")).startswith("250")
        assert len(second.taken) == 1


async def test_a_client_that_never_reads_our_250_makes_no_second_copy(world):
    """It left right after the answer: perhaps without it. Nothing is sent again."""
    async with world() as w:
        content = message()
        client = await w.client()
        assert (await client.mail("ada@proj.example", content=content)).startswith("250")
        client.reset()
        await settle_down()
        assert not w.marks.is_empty
        client = await w.client()
        assert (await client.mail("ada@proj.example", content=content)).startswith("250")
        assert len(w.home.taken) == 1
        # This time it says QUIT: it has the answer, nothing is left to remember.
        await client.say("QUIT")
        await settle_down()
        assert w.marks.is_empty


async def test_the_ordinary_message_leaves_nothing_and_needs_no_hash(world, monkeypatch):
    from relay.message import Message

    hashed = []
    original = Message.digest.func
    monkeypatch.setattr(Message.digest, "func", lambda message: hashed.append(1) or original(message))
    async with world() as w:
        relay = await w.relay()
        client = await w.client()
        for _ in range(3):
            assert (await client.mail("ada@proj.example")).startswith("250")
        await client.say("QUIT")
        await settle_down()
        assert w.marks.is_empty and not relay.service.delivery.marks._open
        assert hashed == []
        assert relay.service.policy.memory_used == 0


async def test_two_messages_that_differ_anywhere_are_two(world):
    async with world() as w:
        base = {"Message_ID": "<same@example.com>"}
        contents = [
            message(**base),
            message(b"other\r\n", **base),
            message(**base, Date="Sun, 27 Sep 2026 10:00:00 +0000"),
            message(**base, From="eve@example.com"),
        ]
        for content in contents:
            client = await w.client()
            assert (await client.mail("ada@proj.example", content=content)).startswith("250")
            client.reset()
            await settle_down(0.05)
        assert len(w.home.taken) == 4


async def test_trace_and_signature_fields_do_not_make_another_message(world):
    """A retry may come by another way, with other Received and signature fields."""
    async with world() as w:
        content = message()
        for head in (
            b"",
            b"Received: from a by b; now\r\n",
            b"DKIM-Signature: v=1; b=x\r\nARC-Seal: i=1\r\n",
        ):
            client = await w.client()
            assert (await client.mail("ada@proj.example", content=head + content)).startswith("250")
            client.reset()
            await settle_down(0.05)
        assert len(w.home.taken) == 1


async def test_without_message_id_or_date_there_is_no_mark(world):
    """Two such messages may look alike and be two."""
    async with world() as w:
        for field in ("Message_ID", "Date"):
            content = message(**{field: ""})
            for _ in range(2):
                client = await w.client()
                assert (await client.mail("ada@proj.example", content=content)).startswith("250")
                client.reset()
                await settle_down(0.05)
        assert len(w.home.taken) == 4


async def test_the_same_message_at_the_same_moment_is_sent_once(world):
    """Two sessions reach the final dot together: one of them waits for another day."""
    async with world() as w:
        w.home.delay = 0.3
        content = message()
        clients = [await w.client() for _ in range(4)]
        answers = await asyncio.gather(
            *(client.mail("ada@proj.example", content=content) for client in clients)
        )
        assert sorted(answer[:3] for answer in answers) == ["250", "451", "451", "451"]
        assert len(w.home.taken) == 1


async def test_last_week_s_key_is_tried_too(world):
    async with world() as w:
        relay = await w.relay()
        content = message()
        client = await w.client()
        await client.mail("ada@proj.example", content=content)
        client.reset()
        await settle_down()
        keys = relay.service.delivery.marks.keys
        now = time.time()
        for weeks, copies in ((1, 1), (2, 2)):
            keys._clock = lambda weeks=weeks: now + weeks * 7 * 86_400
            client = await w.client()
            assert (await client.mail("ada@proj.example", content=content)).startswith("250")
            client.reset()
            await settle_down(0.05)
            assert len(w.home.taken) == copies


async def test_the_body_is_let_go_once_it_is_sent(world):
    async with world(answer_within=0.2, late_reply=5, share_after=0.1) as w:
        relay = await w.relay()
        w.home.delay = 1
        client = await w.client()
        await client.mail("ada@proj.example", content=message(b"x" * 100_000 + b"\r\n"))
        await settle_down()
        assert relay.service.policy.memory_used == 0
