"""Several recipients: who is served, what the sender hears, whom the next try asks (design, The relay, 3)."""

import asyncio

import pytest

from core.delivery import Event
from core.routing import Order
from tests.relay.fakes import DROP, SILENT, message

FAILURES_THAT_PASS = {
    "connect": ["421 4.3.2 busy", "450 4.7.0 wait", DROP, SILENT, "hello", "554 5.7.1 not you"],
    "ehlo": ["421 4.3.2 busy", "550 5.7.1 not you", DROP, SILENT],
    "mail": ["421 4.3.2 closing", "451 4.7.1 greylisted", DROP, SILENT, "hello"],
    "rcpt": ["421 4.3.2 closing", "450 4.2.0 busy", "452 4.2.2 full for now", DROP, SILENT],
    "data": ["421 4.3.2 closing", "451 4.3.0 later", DROP, SILENT, "250 what"],
    "dot": ["421 4.3.2 closing", "451 4.7.1 greylisted", DROP, "hello"],
}
REFUSALS = {
    "mail": ["550 5.1.8 bad sender", "552 5.3.4 way over"],
    "rcpt": ["550 5.1.1 no such user", "550 5.2.1 off", "553 what is this"],
    "data": ["554 5.7.1 go away"],
    "dot": ["554 5.7.1 spam", "550 5.6.0 bad", "552 5.2.2 full"],
}
TEMPORARY = [(stage, answer) for stage, answers in FAILURES_THAT_PASS.items() for answer in answers]
PERMANENT = [(stage, answer) for stage, answers in REFUSALS.items() for answer in answers]


def names(pairs):
    return [f"{stage}-{answer}".replace(" ", "_") for stage, answer in pairs]


@pytest.mark.parametrize(("stage", "answer"), TEMPORARY, ids=names(TEMPORARY))
@pytest.mark.parametrize(
    "extensions", [("PIPELINING", "8BITMIME"), ("8BITMIME",)], ids=["group", "one by one"]
)
async def test_b13_b14_a_failure_that_may_pass_is_temporary_and_the_next_try_delivers(
    world, stage, answer, extensions
):
    """B13, B14: at every command; nothing is remembered of a try that did not deliver."""
    async with world(reply=0.3, greeting=0.3) as w:
        w.home.extensions = list(extensions)
        w.home.script[stage] = answer
        client = await w.client()
        content = message()
        assert (await client.mail("ada@proj.example", content=content)).startswith("451 4.")
        assert w.home.taken == []
        w.home.script.clear()
        assert (await client.mail("ada@proj.example", content=content)).startswith("250")
        assert len(w.home.taken) == 1


@pytest.mark.parametrize(("stage", "answer"), PERMANENT, ids=names(PERMANENT))
@pytest.mark.parametrize(
    "extensions", [("PIPELINING", "8BITMIME"), ("8BITMIME",)], ids=["group", "one by one"]
)
async def test_b14_a_refusal_for_good_is_permanent(world, stage, answer, extensions):
    """B14: its enhanced code is passed on, not its words."""
    async with world() as w:
        w.home.extensions = list(extensions)
        w.home.script[stage] = answer
        client = await w.client()
        reply = await client.mail("ada@proj.example")
        words = answer.split()
        assert reply[0] == "5"
        if "." in words[1]:
            assert reply.split()[1] == words[1]
        assert " ".join(words[2:]) not in reply
        assert w.home.taken == []


@pytest.mark.parametrize("answer", ["250", "250 ", "250-a\r\n250 b", "250 2.0.0 ok"])
async def test_b14_any_250_is_a_250(world, answer):
    """B14: also without text."""
    async with world() as w:
        w.home.script["dot"] = answer
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")


async def test_within_an_alias_one_that_took_it_is_enough_when_the_others_never_will(world):
    """The owner is told, the sender hears nothing of it."""
    async with world() as w:
        away = await w.server("away.example.net", script={"rcpt": "550 5.1.1 gone"})
        w.table.alias("ada", "ada@home.example.net", "ada@away.example.net")
        client = await w.client()
        assert (await client.mail("ada@proj.example")).startswith("250")
        assert len(w.home.taken) == 1 and away.taken == []
        [told] = [count for count in w.counts if count.event is Event.LEFT_OUT]
        assert (told.alias_id, told.recipient, told.enhanced) == (2, "ada@away.example.net", "5.1.1")


async def test_within_an_alias_one_that_cannot_now_defers_and_the_retry_makes_no_second_copy(world):
    async with world() as w:
        away = await w.server("away.example.net", script={"rcpt": "450 4.2.0 busy"})
        w.table.alias("ada", "ada@home.example.net", "ada@away.example.net")
        content = message()
        client = await w.client()
        assert (await client.mail("ada@proj.example", content=content)).startswith("451 4.2.0")
        assert (len(w.home.taken), len(away.taken)) == (1, 0)
        client.close()
        away.script.clear()
        client = await w.client()
        assert (await client.mail("ada@proj.example", content=content)).startswith("250")
        assert (len(w.home.taken), len(away.taken)) == (1, 1)


async def test_four_hours_after_the_first_try_the_alias_counts_as_served(world):
    async with world(defer_until=0.3) as w:
        away = await w.server("away.example.net", script={"rcpt": "450 4.2.0 busy"})
        w.table.alias("ada", "ada@home.example.net", "ada@away.example.net")
        content = message()
        client = await w.client()
        answers = []
        for _ in range(3):
            answers.append((await client.mail("ada@proj.example", content=content))[:3])
            await asyncio.sleep(0.2)
        assert answers == ["451", "451", "250"]
        assert (len(w.home.taken), len(away.taken)) == (1, 0)
        [told] = [count for count in w.counts if count.event is Event.LEFT_OUT]
        assert (told.recipient, told.enhanced) == ("ada@away.example.net", "4.2.0")


async def test_when_the_owner_cannot_be_told_nothing_is_left_out(world):
    """Invariant 1: who is left out is told, or the sender tries again; no second copy meanwhile."""
    async with world() as w:
        await w.server("away.example.net", script={"rcpt": "550 5.1.1 gone"})
        w.table.alias("ada", "ada@home.example.net", "ada@away.example.net")

        def broken(_: object) -> None:
            raise OSError

        await w.relay(sink=broken)
        content = message()
        client = await w.client()
        assert (await client.mail("ada@proj.example", content=content)).startswith("451 4.3.0")
        await w.relay()
        client = await w.client()
        assert (await client.mail("ada@proj.example", content=content)).startswith("250")
        assert len(w.home.taken) == 1


async def test_over_aliases_all_served_is_250_and_all_refused_is_5xx(world):
    async with world() as w:
        await w.server("away.example.net", script={"rcpt": "550 5.2.1 off"})
        w.table.alias("eve", "eve@home.example.net")
        w.table.alias("bob", "bob@away.example.net")
        w.table.alias("zoe", "zoe@away.example.net")
        client = await w.client()
        assert (await client.mail("ada@proj.example", "eve@proj.example")).startswith("250")
        assert (await client.mail("bob@proj.example", "zoe@proj.example")).startswith("550 5.2.1")


async def test_over_aliases_any_deferred_is_4xx(world):
    async with world() as w:
        away = await w.server("away.example.net", script={"rcpt": "450 4.2.0 busy"})
        w.table.alias("bob", "bob@away.example.net")
        content = message()
        client = await w.client()
        assert (await client.mail("ada@proj.example", "bob@proj.example", content=content)).startswith(
            "451 4.2.0"
        )
        away.script.clear()
        assert (await client.mail("ada@proj.example", "bob@proj.example", content=content)).startswith("250")
        assert (len(w.home.taken), len(away.taken)) == (1, 1)


@pytest.mark.parametrize("dead_first", [False, True])
async def test_an_alias_that_refused_is_asked_alone_and_its_own_5xx_is_the_answer(world, dead_first):
    """Some served, some refused for good: 451, then 452 at RCPT, then a transaction of its own."""
    async with world() as w:
        away = await w.server("away.example.net", script={"rcpt": "550 5.1.1 gone"})
        w.table.alias("bob", "bob@away.example.net")
        content = message()
        both = (
            ["bob@proj.example", "ada@proj.example"]
            if dead_first
            else ["ada@proj.example", "bob@proj.example"]
        )
        client = await w.client()
        assert (await client.mail(*both, content=content)).startswith("451 4.5.3")
        first, second = await client.envelope(*both)
        assert [first[:9], second[:9]] == ["250 2.1.5", "452 4.5.3"]
        answer = await client.data(content)
        left = both[1]
        if dead_first:
            assert answer.startswith("550 5.1.1")
            assert (await client.mail(left, content=content)).startswith("250")
        else:
            assert answer.startswith("250")
            assert (await client.mail(left, content=content)).startswith("550 5.1.1")
        assert (len(w.home.taken), len(away.taken)) == (1, 0)
        # Used once: with the next message both are taken together.
        assert [reply[:3] for reply in await client.envelope(*both)] == ["250", "250"]


async def test_another_sender_is_not_asked_to_send_alone(world):
    async with world() as w:
        await w.server("away.example.net", script={"rcpt": "550 5.1.1 gone"})
        w.table.alias("bob", "bob@away.example.net")
        client = await w.client()
        await client.mail("ada@proj.example", "bob@proj.example")
        replies = await client.envelope("ada@proj.example", "bob@proj.example", sender="eve@example.org")
        assert [reply[:3] for reply in replies] == ["250", "250"]


async def test_b20_one_mailbox_behind_two_aliases_gets_one_copy(world):
    """B20: and nobody is lost."""
    async with world() as w:
        team = await w.server("box.example.org")
        w.table.alias("ada", "ada@home.example.net", "team@box.example.org")
        w.table.alias("bob", "team@box.example.org")
        client = await w.client()
        assert (await client.mail("ada@proj.example", "bob@proj.example")).startswith("250")
        assert [taken.recipient for taken in w.home.taken] == ["ada@home.example.net"]
        assert [taken.recipient for taken in team.taken] == ["team@box.example.org"]
        assert team.taken[0].content.count(b"Waypost-Loop:") == 2


async def test_b20_local_parts_differ_by_case(world):
    """B20: a local part's case is its server's business (RFC 5321 §2.4)."""
    async with world() as w:
        team = await w.server("box.example.org")
        w.table.alias("ada", "Team@box.example.org")
        w.table.alias("bob", "team@box.example.org")
        client = await w.client()
        assert (await client.mail("ada@proj.example", "bob@proj.example")).startswith("250")
        assert sorted(taken.recipient for taken in team.taken) == [
            "Team@box.example.org",
            "team@box.example.org",
        ]


class TestFirst:
    """An alias that delivers to the first recipient which takes it."""

    async def test_the_first_takes_it(self, world):
        async with world() as w:
            away = await w.server("away.example.net")
            w.table.alias("ada", "ada@home.example.net", "ada@away.example.net", order=Order.FIRST)
            assert (await (await w.client()).mail("ada@proj.example")).startswith("250")
            assert (len(w.home.taken), len(away.taken)) == (1, 0)

    async def test_the_next_one_is_tried_after_a_refusal_for_good(self, world):
        async with world() as w:
            away = await w.server("away.example.net")
            w.home.script["rcpt"] = "550 5.1.1 gone"
            w.table.alias("ada", "ada@home.example.net", "ada@away.example.net", order=Order.FIRST)
            assert (await (await w.client()).mail("ada@proj.example")).startswith("250")
            assert (len(w.home.taken), len(away.taken)) == (0, 1)

    @pytest.mark.parametrize(
        ("stage", "answer"), [("rcpt", "450 4.2.0 busy"), ("dot", DROP), ("mail", SILENT)]
    )
    async def test_not_after_one_that_may_pass_nor_after_a_lost_reply(self, world, stage, answer):
        async with world(reply=0.3) as w:
            away = await w.server("away.example.net")
            w.home.script[stage] = answer
            w.table.alias("ada", "ada@home.example.net", "ada@away.example.net", order=Order.FIRST)
            assert (await (await w.client()).mail("ada@proj.example")).startswith("451")
            assert away.taken == []

    async def test_all_refuse(self, world):
        async with world() as w:
            await w.server("away.example.net", script={"rcpt": "550 5.2.1 off"})
            w.home.script["rcpt"] = "550 5.1.1 gone"
            w.table.alias("ada", "ada@home.example.net", "ada@away.example.net", order=Order.FIRST)
            assert (await (await w.client()).mail("ada@proj.example")).startswith("550 5.1.1")

    async def test_a_retry_after_the_first_was_served_asks_no_other(self, world):
        async with world() as w:
            away = await w.server("away.example.net")
            w.table.alias("ada", "ada@home.example.net", "ada@away.example.net", order=Order.FIRST)
            content = message()
            client = await w.client()
            await client.mail("ada@proj.example", content=content)
            client.reset()
            w.home.script["rcpt"] = "550 5.1.1 gone"
            assert (await (await w.client()).mail("ada@proj.example", content=content)).startswith("250")
            assert (len(w.home.taken), len(away.taken)) == (1, 0)


async def test_b62_no_word_of_the_other_server_reaches_the_sender(world):
    """B62: neither the private address nor its provider, in whatever dress."""
    async with world() as w:
        w.home.script["rcpt"] = (
            "550-5.1.1 <ada@home.example.net>: user unknown\r\n550-5.1.1 see https://help.home.example.net/?u=ada\r\n"
            "550 5.1.1 ADA@HOME.EXAMPLE.NET ada=40home.example.net YWRhQGhvbWUuZXhhbXBsZS5uZXQ="
        )
        reply = await (await w.client()).mail("ada@proj.example")
        assert reply == "550 5.1.1 The recipient's server does not know the address behind this one"


@pytest.mark.parametrize(
    ("answer", "event"),
    [
        ("550 5.1.1 gone", Event.REFUSED_MAILBOX),
        ("552 5.2.2 full", Event.REFUSED_MAILBOX),
        ("554 5.7.1 spam", Event.REFUSED_MESSAGE),
        ("552 5.3.4 too big", Event.REFUSED_MESSAGE),
        ("450 4.2.0 busy", Event.DEFERRED),
        ("250 2.1.5 ok", Event.DELIVERED),
    ],
)
async def test_deliveries_are_counted_by_recipient_and_code_alone(world, answer, event):
    async with world() as w:
        relay = await w.relay()
        w.home.script["rcpt"] = answer
        await (await w.client()).mail("ada@proj.example")
        await relay.service.counters.flush()
        [count] = w.counts
        code = "" if event is Event.DELIVERED else answer.split()[1]
        assert (count.event, count.alias_id, count.recipient, count.enhanced) == (
            event,
            1,
            "ada@home.example.net",
            code,
        )


async def test_a_refusal_about_us_is_told_to_operators(world):
    """Design, The relay, 9."""
    async with world() as w:
        relay = await w.relay()
        w.home.script["mail"] = "550 5.7.1 host mx.proj.example is on a list"
        assert (await (await w.client()).mail("ada@proj.example")).startswith("451 4.7.0")
        await relay.service.counters.flush()
        assert Event.ABOUT_US in [count.event for count in w.counts]
        assert Event.REFUSED_MESSAGE not in [count.event for count in w.counts]


async def test_the_log_says_how_much_went_by_and_nothing_of_whom(world, monkeypatch):
    import structlog

    from relay import process

    monkeypatch.setattr(process, "_SWEEP_EVERY", 0.05)
    with structlog.testing.capture_logs() as lines:
        async with world(log_every=0) as w:
            await (await w.client()).mail("ada@proj.example")
            await asyncio.sleep(0.2)
    [line] = [line for line in lines if line["event"] == "relay.traffic"]
    assert line["delivered"] == 1
    assert set(line) == {"event", "log_level", "connections", "memory", "delivered"}
