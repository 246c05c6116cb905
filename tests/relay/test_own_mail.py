"""Mail of our own, by the unix socket (design, The relay, 12)."""

import asyncio
import smtplib
import stat
import threading

import pytest

from core.delivery import Event
from core.submission import Outcome, Step, Submission, submit
from relay.outcome import permanent_reply
from tests.relay.fakes import SILENT, message


async def by_socket(w, recipient: str, content: bytes = b""):
    """Submit as jobs do; return the outcome."""
    return await asyncio.to_thread(submit, w.settings.relay_socket, recipient, content or message())


async def watched(w, recipient: str) -> tuple[Submission, list[Step]]:
    """Submit as the portal does for a test mail; return the outcome and the steps."""
    steps: list[Step] = []
    result = await asyncio.to_thread(submit, w.settings.relay_socket, recipient, message(), steps.append)
    return result, steps


async def test_the_socket_is_for_this_user_alone(world):
    async with world() as w:
        assert stat.S_IMODE(w.settings.relay_socket.stat().st_mode) == 0o600


async def test_any_recipient_is_taken_and_the_sender_can_take_bounces(world):
    async with world() as w:
        content = message()
        result = await by_socket(w, "carol@home.example.net", content)
        assert result.outcome is Outcome.DELIVERED
        [taken] = w.home.taken
        assert taken.recipient == "carol@home.example.net"
        assert taken.sender.startswith("bounce=") and taken.sender.endswith("@srs.proj.example")
        assert taken.content.endswith(content)
        assert b"Waypost-Loop" not in taken.content
        assert b"with LMTP id" in taken.content


@pytest.mark.parametrize(
    ("answer", "outcome", "code"),
    [
        ("550 5.1.1 no such user", Outcome.REFUSED, "5.1.1"),
        ("554 5.7.1 spam", Outcome.REFUSED, "5.7.1"),
        ("450 4.2.0 busy", Outcome.TRY_LATER, "4.2.0"),
        ("550 5.7.1 mx.proj.example is on a list", Outcome.TRY_LATER, "4.7.0"),
    ],
)
async def test_the_answer_is_the_destination_s(world, answer, outcome, code):
    async with world() as w:
        w.home.script["rcpt"] = answer
        result = await by_socket(w, "carol@home.example.net")
        assert (result.outcome, result.code) == (outcome, code)


async def test_whoever_asks_hears_each_step_in_the_other_server_s_words(world):
    async with world() as w:
        w.home.script["rcpt"] = "550 5.1.1 <carol@home.example.net>: who is\tthat\x07?"
        result, steps = await watched(w, "carol@home.example.net")
        assert (result.outcome, result.code) == (Outcome.REFUSED, "5.1.1")
        assert [step.recipient for step in steps] == ["", *["carol@home.example.net"] * 7]
        stages = [step.stage for step in steps]
        assert stages == ["accepted", "connect", "greeting", "ehlo", "mail", "rcpt", "data", "result"]
        words = {step.stage: step.words for step in steps}
        assert words["connect"].startswith("mx.home.example.net[127.0.0.10]")
        assert words["rcpt"] == "550 5.1.1 <carol@home.example.net>: who is that ?"
        assert words["result"] == "refused 5.1.1"


async def test_who_does_not_ask_hears_only_what_it_comes_to(world):
    async with world() as w:

        def talk() -> tuple[int, bytes]:
            with smtplib.LMTP(str(w.settings.relay_socket)) as relay:
                relay.ehlo_or_helo_if_needed()
                relay.mail("")
                relay.rcpt("carol@home.example.net")
                return relay.data(message())

        w.home.script["rcpt"] = "550 5.1.1 who is that?"
        code, text = await asyncio.to_thread(talk)
        assert f"{code} {text.decode()}" == str(permanent_reply("5.1.1"))


async def test_a_step_is_told_when_it_is_made_and_not_at_the_end(world):
    async with world() as w:
        w.home.script["dot"] = SILENT
        heard = threading.Event()

        def note(step: Step) -> None:
            if step.stage == "rcpt":
                heard.set()

        sending = asyncio.create_task(
            asyncio.to_thread(submit, w.settings.relay_socket, "carol@home.example.net", message(), note)
        )
        assert await asyncio.to_thread(heard.wait, 20)
        assert not sending.done()
        await w.home.stop()
        assert (await sending).outcome is Outcome.TRY_LATER


async def test_a_dns_failure_is_a_step_too(world):
    async with world() as w:
        result, steps = await watched(w, "carol@nowhere.example.net")
        assert result.outcome is Outcome.REFUSED
        assert [step.stage for step in steps] == ["accepted", "dns", "result"]


async def test_the_owner_s_test_mail_goes_the_whole_way_of_the_alias(world):
    async with world() as w:
        away = await w.server("away.example.net")
        w.table.alias("ada", "ada@home.example.net", "ada@away.example.net")
        result, steps = await watched(w, "ada@proj.example")
        assert result.outcome is Outcome.DELIVERED
        for recipient in ("ada@home.example.net", "ada@away.example.net"):
            mine = {step.stage: step.words for step in steps if step.recipient == recipient}
            assert mine["content"] == "250 2.0.0 taken"
            assert mine["result"] == "delivered 2.0.0"
        assert (len(w.home.taken), len(away.taken)) == (1, 1)
        assert b"Waypost-Loop" in w.home.taken[0].content


async def test_an_alias_that_does_not_deliver_says_why(world):
    async with world() as w:
        result = await by_socket(w, "nobody@proj.example")
        assert (result.outcome, result.code) == (Outcome.REFUSED, "5.1.1")


async def test_one_recipient_a_transaction(world):
    async with world() as w:

        def talk() -> list[int]:
            with smtplib.LMTP(str(w.settings.relay_socket)) as relay:
                relay.ehlo_or_helo_if_needed()
                relay.mail("")
                return [relay.rcpt(f"{name}@home.example.net")[0] for name in ("carol", "dave")]

        assert await asyncio.to_thread(talk) == [250, 452]


async def test_a_bounce_of_our_own_mail_is_counted_for_its_recipient_and_goes_no_further(world):
    """B71: a bounced verification mail shows in the portal."""
    async with world() as w:
        relay = await w.relay()
        await by_socket(w, "carol@home.example.net")
        back = w.home.taken[0].sender
        client = await w.client()
        bounce = message(b"Status: 5.1.1\r\n", From="mailer-daemon@home.example.net")
        assert (await client.mail(back, sender="", content=bounce)).startswith("250")
        await relay.service.counters.flush()
        assert (Event.REFUSED_MAILBOX, "carol@home.example.net", "5.1.1") in [
            (count.event, count.recipient, count.enhanced) for count in w.counts
        ]
        assert len(w.home.taken) == 1


async def test_a_mail_that_is_submitted_again_after_a_crash_is_no_second_copy(world):
    async with world() as w:
        content = message()

        def leave() -> None:
            relay = smtplib.LMTP(str(w.settings.relay_socket))
            relay.sendmail("", ["carol@home.example.net"], content)
            relay.close()

        await asyncio.to_thread(leave)
        await asyncio.sleep(0.1)
        assert (await by_socket(w, "carol@home.example.net", content)).outcome is Outcome.DELIVERED
        assert len(w.home.taken) == 1


async def test_a_slow_destination_is_later(world):
    async with world(answer_within=0.3) as w:
        w.home.script["mail"] = SILENT
        result = await by_socket(w, "carol@home.example.net")
        assert (result.outcome, result.code) == (Outcome.TRY_LATER, "4.4.2")
