"""The resolver against a real name server on loopback: outcomes, cache, limits."""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from mailauth.resolver import Answer, DnsResolver, Limited, Mx, Outcome
from tests.mailauth.zone import Zone

RECORDS = {
    ("a.example.", "A"): (60, ["192.0.2.1", "192.0.2.2"]),
    ("a.example.", "AAAA"): (60, ["2001:db8::1"]),
    ("a.example.", "TXT"): (60, ['"one" "two"', '"three"']),
    ("a.example.", "MX"): (60, ["20 B.example.", "10 ."]),
    ("1.2.0.192.in-addr.arpa.", "PTR"): (60, ["A.Example."]),
    ("short.example.", "A"): (0, ["192.0.2.9"]),
}
SOA = "ns.example. root.example. 1 3600 600 86400 30"


class Server(asyncio.DatagramProtocol):
    """Answers from RECORDS; `fails` gets SERVFAIL, `silent` nothing, other names are missing."""

    def __init__(self):
        self.asked = []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text().lower(), question.rdtype.name
        self.asked.append((name, kind))
        if name.startswith("silent"):
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if name.startswith("fails"):
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif found := RECORDS.get((name, kind)):
            answer.answer.append(dns.rrset.from_text_list(question.name, found[0], "IN", kind, found[1]))
        else:
            answer.authority.append(dns.rrset.from_text("example.", 300, "IN", "SOA", SOA))
            if name not in {known for known, _ in RECORDS}:
                answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), address)


def with_server(test, **options):
    async def run():
        loop = asyncio.get_running_loop()
        transport, server = await loop.create_datagram_endpoint(
            Server, ("127.0.0.1", 0), family=socket.AF_INET
        )
        port = transport.get_extra_info("sockname")[1]
        try:
            await test(DnsResolver(["127.0.0.1"], port, **{"timeout": 2.0, **options}), server)
        finally:
            transport.close()

    asyncio.run(run())


def test_each_question_has_its_records():
    async def test(resolver, server):
        assert set((await resolver.a("a.example")).records) == {
            IPv4Address("192.0.2.1"),
            IPv4Address("192.0.2.2"),
        }
        assert (await resolver.aaaa("a.example")).records == (IPv6Address("2001:db8::1"),)
        assert set((await resolver.txt("a.example")).records) == {b"onetwo", b"three"}
        assert set((await resolver.mx("a.example")).records) == {Mx(10, ""), Mx(20, "b.example")}
        assert (await resolver.ptr(IPv4Address("192.0.2.1"))).records == ("a.example",)

    with_server(test)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("short.example", Outcome.NO_DATA),
        ("missing.example", Outcome.NO_SUCH_NAME),
        ("fails.example", Outcome.TEMPORARY),
        ("silent.example", Outcome.TEMPORARY),
        ("a..example", Outcome.NO_SUCH_NAME),
        ("", Outcome.NO_SUCH_NAME),
        ("x" * 64 + ".example", Outcome.NO_SUCH_NAME),
        ("x." * 200 + "example", Outcome.NO_SUCH_NAME),
        ("odd name@%\\.example", Outcome.NO_SUCH_NAME),
        ("ö" * 60 + ".example", Outcome.NO_SUCH_NAME),
    ],
)
def test_every_other_outcome_is_said_and_nothing_is_raised(name, outcome):
    async def test(resolver, server):
        assert await resolver.txt(name) == Answer(outcome)

    with_server(test, timeout=0.3)


def test_answers_are_kept_as_long_as_they_allow():
    async def test(resolver, server):
        for _ in range(3):
            await resolver.a("A.example")
            await resolver.a("missing.example")
            await resolver.mx("short.example")
        assert len(server.asked) == 3
        await resolver.a("short.example")
        await resolver.a("short.example")
        await resolver.a("fails.example")
        before = len(server.asked)
        await resolver.a("fails.example")
        assert len(server.asked) > before >= 6
        assert resolver.counts["cached"] == 6
        assert resolver.counts["A"] == 10
        assert resolver.counts["temporary"] == 2

    with_server(test)


def test_the_cache_has_an_end():
    async def test(resolver, server):
        for number in range(20):
            await resolver.a(f"m{number}.example")
        assert len(resolver._cache) == 5

    with_server(test, entries=5)


def test_the_same_question_at_once_is_sent_once():
    async def test(resolver, server):
        await asyncio.gather(*(resolver.a("a.example") for _ in range(20)))
        assert len(server.asked) == 1
        assert resolver.counts["shared"] == 19

    with_server(test)


def test_one_asker_who_gives_up_does_not_take_the_answer_from_the_others():
    async def test(resolver, server):
        asking = asyncio.create_task(resolver.a("a.example"))
        await asyncio.sleep(0)
        other = asyncio.create_task(resolver.a("a.example"))
        await asyncio.sleep(0)
        asking.cancel()
        assert (await other).outcome is Outcome.FOUND

    with_server(test)


def test_a_message_has_a_time_for_all_its_questions():
    async def test(resolver, server):
        limited = Limited(resolver, seconds=0.1)
        assert (await limited.a("a.example")).outcome is Outcome.FOUND
        assert (await limited.a("silent.example")).outcome is Outcome.TEMPORARY
        assert (await limited.a("a.example")).outcome is Outcome.TEMPORARY

    with_server(test)


def test_a_message_has_a_number_of_questions():
    async def run():
        limited = Limited(Zone({"a.example": [("A", IPv4Address("192.0.2.1"))]}), questions=3)
        return [(await limited.a("a.example")).outcome for _ in range(5)]

    assert asyncio.run(run()) == [Outcome.FOUND] * 3 + [Outcome.TEMPORARY] * 2
