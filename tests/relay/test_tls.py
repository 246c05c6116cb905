"""TLS on both hops."""

import asyncio
import ssl

import pytest

from tests.relay import certificates
from tests.relay.fakes import DROP, Client, message


@pytest.fixture
def ours(tmp_path):
    return certificates.make(tmp_path, "mx.proj.example")


async def encrypted(client: Client, ours, port: int) -> Client:
    """Say STARTTLS and shake hands."""
    assert (await client.say("STARTTLS")).startswith("220")
    await client.writer.start_tls(certificates.trusting(ours), server_hostname="mx.proj.example")
    return client


def with_tls(ours):
    return {"relay_tls_certificate": ours[0], "relay_tls_key": ours[1]}


async def test_mail_comes_in_by_starttls(world, ours):
    async with world() as w:
        await w.relay(settings=with_tls(ours))
        client = await w.client()
        assert "STARTTLS" in await client.say("EHLO x.example.com")
        await encrypted(client, ours, w.port)
        assert (await client.say("MAIL FROM:<a@example.com>")).startswith("503")
        assert "STARTTLS" not in await client.say("EHLO x.example.com")
        assert (await client.mail("ada@proj.example", content=message(b"x" * 300_000 + b"\r\n"))).startswith(
            "250"
        )
        assert b"with ESMTPS id" in w.home.taken[0].content
        assert (await client.say("STARTTLS")).startswith("503")
        assert (await client.say("QUIT")).startswith("221")


async def test_b01_what_was_said_before_the_handshake_counts_no_more(world, ours):
    """B01: commands behind STARTTLS in one segment are dropped, and so is the state."""
    async with world() as w:
        await w.relay(settings=with_tls(ours))
        client = await w.client()
        client.send("STARTTLS\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<ada@proj.example>\r\n")
        assert (await client.reply()).startswith("220")
        await client.writer.start_tls(certificates.trusting(ours), server_hostname="mx.proj.example")
        assert (await client.say("NOOP")).startswith("250")
        assert (await client.say("DATA")).startswith("503")
        await asyncio.sleep(0.1)
        assert not client.reader._buffer


async def test_b01_a_transaction_begun_in_clear_is_forgotten(world, ours):
    async with world() as w:
        await w.relay(settings=with_tls(ours))
        client = await w.client()
        await client.envelope("ada@proj.example")
        await encrypted(client, ours, w.port)
        assert (await client.say("DATA")).startswith("503")


async def test_b49_a_client_stuck_in_the_handshake_is_cut_off(world, ours):
    """B49: and what is no handshake at all."""
    async with world(handshake=0.3) as w:
        relay = await w.relay(settings=with_tls(ours))
        stuck, wrong = await w.client(), await w.client()
        for client in (stuck, wrong):
            assert (await client.say("STARTTLS")).startswith("220")
        wrong.send("NOOP\r\nNOOP\r\nNOOP\r\n")
        assert await wrong.end_of_file()
        assert await stuck.end_of_file()
        await asyncio.sleep(0.1)
        assert not relay.service.dialogues
        assert relay.service.policy.connections == 0


async def test_without_a_certificate_starttls_is_refused(world):
    async with world() as w:
        client = await w.client()
        assert (await client.say("STARTTLS")).startswith("503")


async def test_a_new_certificate_is_read_and_a_broken_one_is_not(world, tmp_path, ours, monkeypatch):
    from relay import tls

    monkeypatch.setattr(tls, "_LOOK_EVERY", 0)
    async with world() as w:
        await w.relay(settings=with_tls(ours))
        await encrypted(await w.client(), ours, w.port)
        renewed = certificates.make(tmp_path, "mx.proj.example")
        await encrypted(await w.client(), renewed, w.port)
        renewed[0].write_text("broken")
        client = await w.client()
        assert (await client.say("STARTTLS")).startswith("220")
        await client.writer.start_tls(ssl._create_unverified_context(), server_hostname="mx.proj.example")
        assert (await client.say("NOOP")).startswith("250")


@pytest.mark.parametrize("kind", ["valid", "expired", "other name"])
async def test_b53_any_certificate_will_do_when_nobody_asked_for_more(world, tmp_path, kind):
    """B53: opportunistic TLS; the server's name is in SNI, EHLO comes again inside, STARTTLS does not."""
    name = "other.example" if kind == "other name" else "mx.home.example.net"
    theirs = certificates.server_context(certificates.make(tmp_path, name, is_expired=kind == "expired"))
    names = []
    theirs.sni_callback = lambda connection, server_name, context: names.append(server_name)
    async with world() as w:
        w.home.tls = theirs
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")
        assert w.home.taken[0].is_tls
        verbs = [command.split()[0] for command in w.home.visits[0].commands]
        assert verbs == ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "DATA"]
        assert names == ["mx.home.example.net"]


async def test_b53_starttls_offered_again_inside_tls_is_not_tried_twice(world, tmp_path):
    """B53: or the session would hang."""
    async with world() as w:
        w.home.tls = certificates.server_context(certificates.make(tmp_path, "mx.home.example.net"))
        w.home.extensions.append("STARTTLS")
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")
        assert sum("STARTTLS" in command for command in w.home.visits[0].commands) == 1


@pytest.mark.parametrize(
    "fault",
    ["454 4.7.0 not now", "no handshake", DROP, "220 ok\r\n250-XEVIL", "220 ok\r\n250 2.0.0 injected"],
)
async def test_b53_a_failed_handshake_is_followed_by_a_connection_in_clear(world, tmp_path, fault):
    """B53, B01: what is said in clear behind the 220 is an attack, and counts for nothing."""
    async with world() as w:
        w.home.extensions.append("STARTTLS")
        if fault != "no handshake":
            w.home.script["starttls"] = fault
        if fault.startswith("220"):
            w.home.tls = certificates.server_context(certificates.make(tmp_path, "mx.home.example.net"))
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")
        assert not w.home.taken[0].is_tls
        first = w.home.visits[0]
        if not fault.startswith("454"):
            assert len(w.home.visits) == 2
            assert "MAIL" not in " ".join(first.commands)


@pytest.mark.parametrize("policy", ["encrypt", "verify"])
async def test_b53_where_tls_is_a_must_nothing_goes_in_clear(world, tmp_path, policy):
    """B53: STARTTLS not offered, refused, or with a certificate that does not hold: 4xx, or the next host."""
    async with world() as w:
        await w.relay(settings={"delivery_tls": policy})
        client = await w.client()
        assert (await client.mail("ada@proj.example")).startswith("451 4.7.5")
        w.home.extensions.append("STARTTLS")
        w.home.script["starttls"] = "454 4.7.0 not now"
        assert (await client.mail("ada@proj.example")).startswith("451 4.7.5")
        w.home.script.clear()
        w.home.extensions.pop()
        w.home.tls = certificates.server_context(certificates.make(tmp_path, "mx.home.example.net"))
        answer = await client.mail("ada@proj.example")
        assert answer.startswith("250" if policy == "encrypt" else "451 4.7.5")
        assert all(taken.is_tls for taken in w.home.taken)


async def test_b53_where_tls_is_a_must_the_next_host_is_tried(world, tmp_path):
    async with world() as w:
        second = await w.server(tls=certificates.server_context(certificates.make(tmp_path, "mx2.example")))
        w.resolver.records["home.example.net", "MX"] = ["10 mx.home.example.net.", "20 mx2.home.example.net."]
        w.resolver.records["mx2.home.example.net", "A"] = [second.host]
        await w.relay(settings={"delivery_tls": "encrypt"})
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")
        assert second.taken[0].is_tls and w.home.taken == []


async def test_a_smarthost_with_password_and_a_certificate_that_holds(world, tmp_path, monkeypatch):
    from relay import process

    theirs = certificates.make(tmp_path, "smart.example")
    monkeypatch.setattr(process, "client_context", lambda verify: certificates.trusting(theirs))
    async with world() as w:
        smart = await w.server(tls=certificates.server_context(theirs))
        w.resolver.records["smart.example", "A"] = [smart.host]
        await w.relay(
            settings={
                "smarthost": f"smart.example:{smart.port}",
                "smarthost_user": "waypost",
                "smarthost_password": "p\xe4ss",
                "delivery_tls": "verify",
            }
        )
        assert (await (await w.client()).mail("ada@proj.example")).startswith("250")
        assert smart.taken[0].recipient == "ada@home.example.net" and smart.taken[0].is_tls
        assert any(command.startswith("AUTH PLAIN ") for command in smart.visits[0].commands)
        assert w.home.visits == []


async def test_a_password_never_travels_in_clear(world):
    async with world() as w:
        smart = await w.server()
        await w.relay(
            settings={
                "smarthost": f"{smart.host}:{smart.port}",
                "smarthost_user": "w",
                "smarthost_password": "p",
            }
        )
        assert (await (await w.client()).mail("ada@proj.example")).startswith("451 4.7.5")
        assert not any(command.startswith("AUTH") for visit in smart.visits for command in visit.commands)


async def test_a_wrong_password_is_our_business(world, tmp_path):
    async with world() as w:
        smart = await w.server(
            tls=certificates.server_context(certificates.make(tmp_path, "smart.example")),
            script={"auth": "535 5.7.8 wrong"},
        )
        await w.relay(
            settings={
                "smarthost": f"{smart.host}:{smart.port}",
                "smarthost_user": "w",
                "smarthost_password": "p",
            }
        )
        assert (await (await w.client()).mail("ada@proj.example")).startswith("451 4.7.0")
