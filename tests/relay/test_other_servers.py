"""Real servers deliver to the relay and take mail from it: swaks, Postfix, Exim."""

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.relay import certificates, real_servers
from tests.relay.fakes import message


async def until(condition, seconds: float = 20, log=str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, log()
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def beside(w, name):
    """Run the server `name` as the mail server of `real.example.net`; what it passes on lands at `w.home`."""
    with tempfile.TemporaryDirectory(prefix="wm", dir="/tmp") as folder:
        w.resolver.mail_domain("real.example.net", "127.0.0.40")
        w.table.alias("eve", "eve@real.example.net")
        run = getattr(real_servers, name)
        manager = run(Path(folder), "127.0.0.40", w.home.port, w.port, (w.home.host, w.home.port))
        server = await asyncio.to_thread(manager.__enter__)
        try:
            yield server
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)


@pytest.mark.parametrize("name", ["postfix", "exim"])
async def test_mail_goes_from_a_real_server_by_the_relay_to_a_real_server(world, name):
    async with world(idle=20) as w, beside(w, name) as server:
        body = b"one\r\n.two\r\n..three\r\ncaf\xe9\r\n" + b"x" * 900 + b"\r\n"
        await asyncio.to_thread(server.submit, "bob@example.com", ["eve@proj.example"], message(body))
        await until(lambda: w.home.taken, log=server.log)
        [taken] = w.home.taken
        assert taken.recipient == "eve@real.example.net"
        assert taken.content.endswith(body)
        assert taken.sender.endswith("=example.com=bob@srs.proj.example")
        assert b"by mx.proj.example (Waypost)" in taken.content or b"by mx.proj.example with" in taken.content


@pytest.mark.parametrize("name", ["postfix", "exim"])
async def test_a_refusal_makes_the_sender_s_own_server_write_the_bounce(world, name):
    async with world(idle=20) as w, beside(w, name) as server:
        await asyncio.to_thread(server.submit, "bob@example.com", ["nobody@proj.example"], message())
        await until(lambda: w.home.taken, log=server.log)
        [taken] = w.home.taken
        assert (taken.sender, taken.recipient) == ("", "bob@example.com")
        assert b"550 5.1.1 No such address" in taken.content


@pytest.mark.parametrize("name", ["postfix", "exim"])
async def test_their_retry_completes_what_was_deferred_without_a_second_copy(world, name):
    async with world(idle=20) as w, beside(w, name) as server:
        away = await w.server("away.example.net", script={"rcpt": "450 4.2.0 busy"})
        w.table.alias("eve", "eve@real.example.net", "eve@away.example.net")
        await asyncio.to_thread(server.submit, "bob@example.com", ["eve@proj.example"], message())
        await until(lambda: w.home.taken and away.visits, log=server.log)
        await asyncio.sleep(0.3)
        away.script.clear()
        await until(lambda: away.taken, log=server.log)
        await asyncio.sleep(0.5)
        assert (len(w.home.taken), len(away.taken)) == (1, 1)


@pytest.mark.parametrize("name", ["postfix", "exim"])
async def test_an_alias_that_refuses_is_asked_alone_by_their_queue(world, name):
    """Two aliases in one transaction, one refuses for good: one copy, and one bounce of their own."""
    async with world(idle=20) as w, beside(w, name) as server:
        away = await w.server("away.example.net", script={"rcpt": "550 5.1.1 gone"})
        w.table.alias("bob", "bob@away.example.net")
        recipients = ["eve@proj.example", "bob@proj.example"]
        await asyncio.to_thread(server.submit, "carol@example.com", recipients, message())
        await until(lambda: len(w.home.taken) >= 2, 60, server.log)
        copies = [taken for taken in w.home.taken if taken.recipient == "eve@real.example.net"]
        bounces = [taken for taken in w.home.taken if taken.recipient == "carol@example.com"]
        assert (len(copies), len(bounces), len(away.taken)) == (1, 1, 0)
        assert b"bob@proj.example" in bounces[0].content and b"away.example.net" not in bounces[0].content


@pytest.mark.parametrize("name", ["postfix", "exim"])
async def test_a_late_bounce_of_a_real_server_comes_back_as_a_report_of_ours(world, name):
    """It takes the mail, cannot deliver it, and writes a bounce that names the private address."""
    async with world(idle=20) as w, beside(w, name) as server:
        w.resolver.mail_domain("example.com", w.home.host)
        w.home.script["rcpt"] = lambda visit: "550 5.1.1 gone" if "eve@" in visit.commands[-1] else None
        await asyncio.to_thread(server.submit, "bob@example.com", ["eve@proj.example"], message())
        await until(lambda: w.home.taken, log=server.log)
        [taken] = w.home.taken
        assert (taken.sender, taken.recipient) == ("", "bob@example.com")
        assert b"real.example.net" not in taken.content
        assert b"Final-Recipient: rfc822; eve@proj.example" in taken.content
        assert b"Status: 5.1.1" in taken.content


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed (Debian package `swaks`)")
@pytest.mark.parametrize("options", [[], ["-tls"], ["--pipeline"], ["--protocol", "SMTP"]])
async def test_swaks(world, tmp_path, options):
    async with world() as w:
        ours = certificates.make(tmp_path, "mx.proj.example")
        await w.relay(settings={"relay_tls_certificate": ours[0], "relay_tls_key": ours[1]})
        command = [
            "swaks",
            "--server",
            f"127.0.0.1:{w.port}",
            "--from",
            "bob@example.com",
            "--to",
            "ada@proj.example",
        ]
        done = await asyncio.to_thread(
            subprocess.run,
            [*command, "--ehlo", "client.example.com", *options],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        assert len(w.home.taken) == 1
        assert (b"with ESMTPS" in w.home.taken[0].content) == ("-tls" in options)
