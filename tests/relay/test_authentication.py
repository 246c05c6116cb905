"""Authentication on the mail path: what comes is checked, what goes on is sealed, our own mail is signed."""

import asyncio
import time
from contextlib import asynccontextmanager

import dkim as dkimpy
import pytest

from core.delivery import Event
from core.submission import Outcome, submit
from mailauth import arc, dkim
from mailauth import message as reading
from mailauth.results import Method, Results
from tests.mailauth.mails import key
from tests.relay.conftest import World
from tests.relay.fakes import Client, message

OURS = key("rsa", "proj.example", "arc")
OTHER = key("ed25519", "other.example", "arc")
AUTHOR = key("rsa", "bank.example", "sel")
LIST = key("rsa", "lists.example", "arc")
REJECT = "v=DMARC1; p=reject"


def publish(w, *keys):
    for one in keys:
        text = one.record
        strings = " ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250))
        w.resolver.records[one.record_name, "TXT"] = [strings]


def dns_of(w):
    """What dkimpy is to ask."""

    def ask(name, timeout=5):
        found = w.resolver.records.get((name.decode().rstrip("."), "TXT"))
        return found[0].replace('" "', "").strip('"').encode() if found else None

    return ask


@pytest.fixture
def sealing(settings):
    """Make a World whose relay has keys for `proj.example` and `other.example`."""

    @asynccontextmanager
    async def make(keys=(OURS, OTHER), limits=None, **changes):
        async with World(settings, **(limits or {})) as w:
            publish(w, OURS, OTHER, AUTHOR, LIST)
            w.resolver.records["_dmarc.bank.example", "TXT"] = [f'"{REJECT}"']
            w.resolver.records["bank.example", "TXT"] = ['"v=spf1 ip4:127.0.0.1 -all"']
            w.table.domains.add("other.example")
            w.table.alias("bob@other.example", "bob@home.example.net")
            w.the_relay = await w.relay(keys=lambda: list(keys), settings=changes)
            yield w

    return make


def from_bank(signed=False, **fields):
    content = message(**{"From": "Billing <billing@bank.example>", **fields})
    return dkim.sign(reading.parse(content), AUTHOR, 1_700_000_000) + content if signed else content


async def send(w, content, *recipients, sender="x@elsewhere.example", source=None):
    client = await (await Client.connect(w.port, source=source)).hello()
    answer = await client.mail(*(recipients or ["ada@proj.example"]), sender=sender, content=content)
    await client.say("QUIT")
    return answer


def results(w, place=-1):
    """Our Authentication-Results on top of what arrived."""
    parsed = reading.parse(w.home.taken[place].content)
    return parsed.values[parsed.where(b"authentication-results")[0]].decode()


async def test_forwarded_mail_is_sealed_for_the_alias_s_domain(sealing):
    async with sealing() as w:
        assert (await send(w, from_bank(signed=True))).startswith("250")
        [taken] = w.home.taken
        verdict, sets, _ = dkimpy.arc_verify(taken.content, dnsfunc=dns_of(w))
        assert verdict == dkimpy.CV_Pass
        assert [(one["instance"], one["as-domain"]) for one in sets] == [(1, b"proj.example")]
        assert dkimpy.verify(taken.content, dnsfunc=dns_of(w))  # what was signed stays valid
        assert reading.parse(taken.content).names[:5] == [
            b"arc-seal", b"arc-message-signature", b"arc-authentication-results", b"authentication-results",
            b"received",
        ]  # fmt: skip
        assert "dkim=pass" in results(w) and "dmarc=pass" in results(w) and "spf=none" in results(w)


async def test_several_domains_in_one_transaction_get_a_copy_each(sealing):
    async with sealing() as w:
        content = from_bank(signed=True)
        assert (await send(w, content, "ada@proj.example", "bob@other.example")).startswith("250")
        sealers = {}
        for taken in w.home.taken:
            chain = await arc.validate(
                reading.parse(taken.content), w.the_relay.service.authentication.resolver, time.time()
            )
            assert chain.status is arc.Status.PASS
            sealers[taken.recipient] = chain.sets[0].domain
        assert sealers == {"ada@home.example.net": "proj.example", "bob@home.example.net": "other.example"}


async def test_a_domain_without_a_key_goes_unsealed_and_with_results(sealing):
    async with sealing(keys=()) as w:
        assert (await send(w, from_bank(signed=True))).startswith("250")
        assert reading.parse(w.home.taken[0].content).names[:2] == [b"authentication-results", b"received"]


@pytest.mark.parametrize("ended", [b"fail", b"fiftieth"])
async def test_nothing_is_added_to_a_chain_that_has_ended(sealing, ended):
    async with sealing() as w:
        content = from_bank(signed=True)
        results_ = Results("lists.example", (Method("dkim", "pass"),))
        resolver = w.the_relay.service.authentication.resolver
        for _ in range(50 if ended == b"fiftieth" else 2):
            parsed = reading.parse(content)
            chain = await arc.validate(parsed, resolver, 1_700_000_001)
            content = (arc.seal(parsed, chain, results_, LIST, 1_700_000_000) or b"") + content
            if ended == b"fail":
                content = content.replace(b"i=1; lists.example;", b"i=1; lists.exampel;")
        before = content.lower().count(b"arc-seal:")
        assert before == (50 if ended == b"fiftieth" else 2)
        assert (await send(w, content)).startswith("250")
        assert w.home.taken[0].content.lower().count(b"arc-seal:") == before
        assert w.home.taken[0].content.endswith(content)


async def test_b28_forged_results_are_removed_and_never_sealed(sealing):
    async with sealing() as w:
        forged = b"Authentication-Results: MX.proj.example 1;\r\n dmarc=pass header.from=bank.example\r\n"
        foreign = b"Authentication-Results: other.example; dkim=pass\r\n"
        content = forged + foreign + message(From="x@nowhere.example")
        assert (await send(w, content)).startswith("250")
        arrived = w.home.taken[0].content
        assert arrived.count(b"dmarc=pass") == 0 and foreign in arrived
        assert dkimpy.arc_verify(arrived, dnsfunc=dns_of(w))[0] == dkimpy.CV_Pass


async def test_b61_spoofed_mail_is_refused_before_it_hurts(sealing):
    async with sealing() as w:
        answer = await send(w, from_bank())
        assert answer.startswith("550 5.7.1") and "DMARC" in answer
        assert not w.home.taken and not w.home.visits
        await w.the_relay.service.counters.flush()
        assert [(count.event, count.recipient, count.enhanced) for count in w.counts] == [
            (Event.REFUSED_HERE, "ada@home.example.net", "5.7.1")
        ]
        assert (w.the_relay.service.policy.memory_used, len(w.the_relay.service.dialogues)) == (0, 0)


async def test_b61_spf_alone_passes_and_is_sealed_and_a_refusal_reaches_the_sender(sealing):
    async with sealing() as w:
        assert (await send(w, from_bank(), sender="billing@bank.example")).startswith("250")
        assert "spf=pass" in results(w) and "dmarc=pass" in results(w)
        w.home.script["dot"] = "550 5.7.26 unauthenticated mail from bank.example"
        answer = await send(w, from_bank(), sender="billing@bank.example")
        assert answer.startswith("550 5.7.26") and "unauthenticated" not in answer


async def test_b61_a_signature_broken_on_arrival_is_refused(sealing):
    async with sealing() as w:
        content = from_bank(signed=True).replace(b"hello", b"hullo")
        assert (await send(w, content)).startswith("550 5.7.1")


@pytest.mark.parametrize(
    "policy", ["v=DMARC1; p=quarantine", "v=DMARC1; p=quarantine; pct=10", "v=DMARC1; p=none"]
)
async def test_b61_weaker_policies_are_passed_on_with_the_result(sealing, policy):
    async with sealing() as w:
        w.resolver.records["_dmarc.bank.example", "TXT"] = [f'"{policy}"']
        assert (await send(w, from_bank())).startswith("250")
        assert "dmarc=fail" in results(w)


@pytest.mark.parametrize(
    "change",
    [
        {"mail_authentication": "mark"},
        {"dmarc_overrides": ["bank.example=quarantine"]},
    ],
)
async def test_the_operator_may_only_mark(sealing, change):
    async with sealing(**change) as w:
        assert (await send(w, from_bank())).startswith("250")
        assert "dmarc=fail" in results(w)


async def test_an_admin_may_soften_what_a_domain_of_ours_asks_for(settings):
    policies = {"bank.example": "quarantine"}
    async with World(settings, read_keys_every=0.05) as w:
        w.resolver.records["_dmarc.bank.example", "TXT"] = [f'"{REJECT}"']
        w.resolver.records["bank.example", "TXT"] = ['"v=spf1 ip4:127.0.0.1 -all"']
        await w.relay(keys=list, policies=lambda: policies)
        assert (await send(w, from_bank())).startswith("250")
        policies.clear()
        await asyncio.sleep(2.5)
        assert (await send(w, from_bank())).startswith("550 5.7.1")


async def test_what_the_operator_says_of_a_domain_outweighs_what_an_admin_says(settings):
    async with World(settings) as w:
        w.resolver.records["_dmarc.bank.example", "TXT"] = [f'"{REJECT}"']
        w.resolver.records["bank.example", "TXT"] = ['"v=spf1 ip4:127.0.0.1 -all"']
        strict = {"dmarc_overrides": ["bank.example=reject"]}
        await w.relay(keys=list, policies=lambda: {"bank.example": "none"}, settings=strict)
        assert (await send(w, from_bank())).startswith("550 5.7.1")


async def test_it_can_be_switched_off(sealing):
    async with sealing(mail_authentication="off") as w:
        forged = b"Authentication-Results: mx.proj.example; dmarc=pass\r\n"
        before = len(w.resolver.questions)
        assert (await send(w, forged + from_bank())).startswith("250")
        assert reading.parse(w.home.taken[0].content).names[0] == b"received"
        assert forged not in w.home.taken[0].content
        assert not [name for name, kind in w.resolver.questions[before:] if kind == "TXT"]


@pytest.mark.parametrize(
    ("name", "kind"), [("_dmarc.bank.example", "TXT"), ("sel._domainkey.bank.example", "TXT")]
)
async def test_temporary_trouble_that_decides_is_451(sealing, name, kind):
    async with sealing() as w:
        is_signed = not name.startswith("_dmarc")
        kept, w.resolver.records[name, kind] = w.resolver.records[name, kind], "SERVFAIL"
        assert (await send(w, from_bank(signed=is_signed))).startswith("451 4.7.0")
        assert not w.home.taken
        w.resolver.records[name, kind] = kept
        assert (await send(w, from_bank(signed=is_signed))).startswith("250" if is_signed else "550 5.7.1")


async def test_temporary_trouble_that_does_not_decide_is_no_matter(sealing):
    async with sealing() as w:
        w.resolver.records["elsewhere.example", "TXT"] = "SERVFAIL"
        assert (await send(w, from_bank(signed=True))).startswith("250")
        assert "spf=temperror" in results(w) and "dmarc=pass" in results(w)


@pytest.mark.parametrize("role", ["postmaster", "abuse"])
async def test_postmaster_and_abuse_are_never_refused(sealing, role):
    async with sealing() as w:
        assert (await send(w, from_bank(), f"{role}@mx.proj.example")).startswith("250")
        assert "dmarc=fail" in results(w)


async def test_a_refused_alias_beside_postmaster_is_asked_alone(sealing):
    async with sealing() as w:
        content = from_bank()
        both = ["ada@proj.example", "postmaster@mx.proj.example"]
        assert (await send(w, content, *both)).startswith("451 4.5.3")
        client = await (await Client.connect(w.port)).hello()
        replies = await client.envelope(both[1], both[0], sender="x@elsewhere.example")
        assert replies[0].startswith("250") and replies[1].startswith("452 4.5.3")
        assert (await client.data(content)).startswith("250")
        assert (await send(w, content)).startswith("550 5.7.1")
        assert [taken.recipient for taken in w.home.taken] == ["ops@home.example.net"]


async def test_a_trusted_sealer_vouches(sealing):
    content = from_bank(signed=True)
    found = Results(
        "lists.example", (Method("dmarc", "pass", properties=(("header.from", "bank.example"),)),)
    )
    sealed = arc.seal(reading.parse(content), arc.Chain(arc.Status.NONE, next=1), found, LIST, 1_700_000_000)
    # The list seals what it sends: the signature it saw pass is broken by its footer.
    changed = reading.parse(content.replace(b"hello", b"hello from the list"))
    sealed = arc.seal(changed, arc.Chain(arc.Status.NONE, next=1), found, LIST, 1_700_000_000)
    listed = sealed + changed.header() + bytes(changed.body.octets)
    async with sealing() as w:
        assert (await send(w, listed)).startswith("550 5.7.1")
    async with sealing(trusted_sealers=["lists.example"]) as w:
        assert (await send(w, listed)).startswith("250")
        assert "arc=pass" in results(w) and "dmarc=fail" in results(w)
        assert [
            one["instance"] for one in dkimpy.arc_verify(w.home.taken[0].content, dnsfunc=dns_of(w))[1]
        ] == [2, 1]


async def test_a_trusted_list_passes_by_spf_or_by_its_signature(sealing):
    plain = from_bank(List_Id="Talk <talk.lists.example>")
    signed = dkim.sign(reading.parse(plain), LIST, 1_700_000_000) + plain
    async with sealing(trusted_lists=["lists.example"]) as w:
        assert (await send(w, plain)).startswith("550 5.7.1")
        assert (await send(w, signed)).startswith("250")
        w.resolver.records["lists.example", "TXT"] = ['"v=spf1 ip4:127.0.0.1 -all"']
        assert (await send(w, plain, sender="talk-bounces@lists.example")).startswith("250")
        assert (await send(w, from_bank(), sender="talk-bounces@lists.example")).startswith("550 5.7.1")


async def test_the_client_is_the_last_hop_before_a_trusted_upstream(sealing):
    hop = b"Received: from mail.bank.example (mail.bank.example [192.0.2.10])\r\n\tby mx2.proj.example; x\r\n"
    async with sealing(trusted_upstreams=["127.0.0.2/32"]) as w:
        w.resolver.records["bank.example", "TXT"] = ['"v=spf1 ip4:192.0.2.10 -all"']
        sender = "billing@bank.example"
        assert (await send(w, hop + from_bank(), sender=sender, source="127.0.0.2")).startswith("250")
        assert "spf=pass" in results(w)
        assert (await send(w, hop + from_bank(), sender=sender, source="127.0.0.3")).startswith("550 5.7.1")


async def test_b64_a_mapped_address_is_unmapped(sealing, settings):
    """B64: a dual-stack listener reports `::ffff:127.0.0.1`."""
    import socket

    async with sealing() as w:
        listener = socket.socket(socket.AF_INET6)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(("::", 0))
        listener.setblocking(False)
        await w.the_relay.start([listener], None)
        w.port = listener.getsockname()[1]
        assert (await send(w, from_bank(), sender="billing@bank.example")).startswith("250")
        assert "spf=pass" in results(w)
        assert b"([127.0.0.1])" in w.home.taken[0].content and b"ffff" not in w.home.taken[0].content


async def test_a_bounce_is_passed_back_whatever_its_from_says(sealing):
    async with sealing() as w:
        senders = w.the_relay.service.senders
        from core.addresses import Address

        path = senders.forwarded(Address("bob", "home.example.net"))
        bounce = message(From="MAILER-DAEMON@bank.example", Content_Type="text/plain")
        assert (await send(w, bounce, path, sender="")).startswith("250")
        assert w.home.taken[0].recipient == "bob@home.example.net"


async def test_our_own_mail_is_signed_for_its_from(sealing):
    async with sealing() as w:
        for author, domain in (
            ("waypost@proj.example", b"proj.example"),
            ("x@sub.proj.example", b"proj.example"),
        ):
            content = message(From=author)
            said = await asyncio.to_thread(submit, w.settings.relay_socket, "carol@home.example.net", content)
            assert said.outcome is Outcome.DELIVERED
            arrived = w.home.taken[-1].content
            assert arrived.endswith(content)
            assert dkimpy.verify(arrived, dnsfunc=dns_of(w))
            assert b"d=" + domain in arrived
        content = message(From="x@unknown.example")
        await asyncio.to_thread(submit, w.settings.relay_socket, "carol@home.example.net", content)
        assert b"DKIM-Signature" not in w.home.taken[-1].content


async def test_a_report_of_our_own_is_signed(sealing):
    from core.addresses import Address

    async with sealing(keys=(key("rsa", "mx.proj.example", "own"),)) as w:
        publish(w, key("rsa", "mx.proj.example", "own"))
        path = w.the_relay.service.senders.forwarded(Address("bob", "home.example.net"))
        bounce = message(
            b"550 5.1.1 <ada@home.example.net> unknown\r\n", From="MAILER-DAEMON@home.example.net"
        )
        assert (await send(w, bounce, path, sender="")).startswith("250")
        [taken] = w.home.taken
        assert b"could not be delivered" in taken.content and b"ada@home" not in taken.content
        assert dkimpy.verify(taken.content, dnsfunc=dns_of(w))


async def test_keys_are_read_anew(settings):
    keys = []
    async with World(settings, read_keys_every=0.05) as w:
        await w.relay(keys=lambda: keys)
        assert (await send(w, message())).startswith("250")
        assert b"ARC-Seal" not in w.home.taken[-1].content
        keys.append(OURS)
        await asyncio.sleep(2.5)
        assert (await send(w, message())).startswith("250")
        assert b"ARC-Seal" in w.home.taken[-1].content


async def test_keys_that_cannot_be_read_stop_no_mail(settings):
    fails = []

    def load():
        if fails:
            raise OSError("the database is gone")
        return [OURS]

    async with World(settings, read_keys_every=0.05) as w:
        await w.relay(keys=load)
        fails.append(True)
        await asyncio.sleep(2.5)
        assert (await send(w, message())).startswith("250")
        assert b"ARC-Seal" in w.home.taken[-1].content


async def test_a_header_over_512_kib_is_552(sealing):
    async with sealing() as w:
        content = b"X-Long: " + b"a" * 530_000 + b"\r\n" + message()
        assert (await send(w, content)).startswith("552 5.3.4")
        assert (await send(w, b"X-Long: " + b"a" * 500_000 + b"\r\n" + message())).startswith("250")


async def test_tiny_fields_count_by_what_they_take(sealing):
    """The ceiling holds for what a message becomes, not only for its octets."""
    async with sealing(limits={"memory": 4 * 1024 * 1024, "message_size": 1024 * 1024}) as w:
        content = b"a:\r\n" * 120_000 + message()
        assert (await send(w, content)).startswith("452 4.3.1")
        assert (await send(w, b"a:\r\n" * 5_000 + message())).startswith("250")
        assert w.the_relay.service.policy.memory_used == 0


async def test_a_client_that_leaves_meanwhile_gets_no_delivery(sealing):
    """While DNS is asked nothing is on its way yet: the sender's server tries again."""
    async with sealing(limits={"dns": 1}) as w:
        w.resolver.records["elsewhere.example", "TXT"] = "TIMEOUT"
        client = await (await Client.connect(w.port)).hello()
        await client.envelope("ada@proj.example", sender="x@elsewhere.example")
        await client.say("DATA")
        client.send(from_bank(signed=True) + b".\r\n")
        await asyncio.sleep(0.3)
        client.reset()
        await asyncio.sleep(6)
        assert not w.home.taken
        assert w.the_relay.service.policy.memory_used == 0 and not w.the_relay.service.dialogues


async def test_a_stopping_relay_finishes_what_it_checks(sealing):
    """SIGTERM while DNS is asked: the message in hand gets its answer, and then 421."""
    async with sealing() as w:
        slow = asyncio.Event()
        resolver = w.the_relay.service.authentication.resolver
        original = resolver.txt

        async def txt(name):
            await slow.wait()
            return await original(name)

        resolver.txt = txt
        client = await (await Client.connect(w.port)).hello()
        await client.envelope("ada@proj.example", sender="x@elsewhere.example")
        await client.say("DATA")
        client.send(from_bank(signed=True) + b".\r\n")
        await asyncio.sleep(0.1)
        stopping = asyncio.ensure_future(w.the_relay.stop())
        await asyncio.sleep(0.1)
        slow.set()
        assert (await client.reply()).startswith("250")
        assert (await client.reply()).startswith("421")
        await stopping
        assert len(w.home.taken) == 1


def chained(*sets):
    """A message with foreign ARC sets that somebody else made; sets: (instance, cv, algorithm)."""
    head = b"".join(
        b"ARC-Seal: i=%b; a=%b; cv=%b; d=lists.example; s=arc; b=AAAA\r\n"
        b"ARC-Message-Signature: i=%b; a=%b; c=relaxed/relaxed; d=lists.example; s=arc;\r\n"
        b"\th=to:subject; bh=AAAA; b=AAAA\r\n"
        b"ARC-Authentication-Results: i=%b; lists.example; dkim=pass\r\n"
        % (instance, algorithm, state, instance, algorithm, instance)
        for instance, state, algorithm in reversed(sets)
    )
    return head + message(From="x@nowhere.example")


RSA = b"rsa-sha256"
BROKEN_CHAINS = {
    "a gap": chained((b"1", b"none", RSA), (b"3", b"pass", RSA)),
    "two of one instance": chained((b"1", b"none", RSA), (b"1", b"none", RSA)),
    "i=01": chained((b"01", b"none", RSA)),
    "i=0": chained((b"0", b"none", RSA)),
    "i=abc": chained((b"abc", b"none", RSA)),
    "i=2147483648": chained((b"2147483648", b"none", RSA)),
    "cv=none at 2": chained((b"1", b"none", RSA), (b"2", b"none", RSA)),
    "rsa-sha1": chained((b"1", b"none", b"rsa-sha1")),
    "only a message signature": b"ARC-Message-Signature: i=1; a=rsa-sha256; d=a.example; s=arc; b=A=\r\n"
    + message(),
    "bad signatures": chained((b"1", b"none", RSA)),
}


@pytest.mark.parametrize("name", BROKEN_CHAINS)
async def test_b29_broken_chains_stop_nothing(sealing, name):
    """B29: never refused; all octets kept; at most one set on top, which says cv=fail."""
    async with sealing() as w:
        assert (await send(w, BROKEN_CHAINS[name])).startswith("250")
        arrived = w.home.taken[0].content
        assert arrived.endswith(BROKEN_CHAINS[name])
        assert "arc=fail" in results(w)
        ours = reading.parse(arrived[: -len(BROKEN_CHAINS[name])])
        seals = [ours.tags(position) for position in ours.where(b"arc-seal")]
        assert [seal[b"cv"] for seal in seals] in ([], [b"fail"])
