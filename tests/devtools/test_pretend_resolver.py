"""The pretend resolver answers as a resolver does, and fails in each way it is told to."""

import socket
from collections.abc import Callable

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import pytest

from devtools.resolver import PretendResolver

Ask = Callable[..., dns.message.Message]


@pytest.fixture
def ask(resolver: PretendResolver) -> Ask:
    def ask(name: str, rtype: str, *, tcp: bool = False, timeout: float = 0.2) -> dns.message.Message:
        query = dns.message.make_query(name, rtype, use_edns=0 if tcp else -1)
        send = dns.query.tcp if tcp else dns.query.udp
        return send(query, resolver.address[0], port=resolver.address[1], timeout=timeout)

    return ask


def records(answer: dns.message.Message) -> list[str]:
    return sorted(record.to_text().lower() for rrset in answer.answer for record in rrset)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_records_are_answered(resolver: PretendResolver, ask: Ask, tcp: bool) -> None:
    resolver.add("example.net", "MX", "10 a.example.net.", "20 b.example.net.", ttl=300)
    answer = ask("Example.NET", "MX", tcp=tcp)
    assert records(answer) == ["10 a.example.net.", "20 b.example.net."]
    assert answer.answer[0].ttl == 300
    assert answer.flags & dns.flags.RA


def test_an_unknown_name_is_nxdomain_and_an_unknown_type_is_nodata(
    resolver: PretendResolver, ask: Ask
) -> None:
    resolver.add("deep.under.example.net", "A", "127.0.0.1")
    for name, rtype, rcode in [
        ("nowhere.example.net", "A", dns.rcode.NXDOMAIN),
        ("deep.under.example.net", "MX", dns.rcode.NOERROR),
        ("under.example.net", "A", dns.rcode.NOERROR),
    ]:
        answer = ask(name, rtype)
        assert (answer.rcode(), answer.answer) == (rcode, [])
        assert answer.authority[0].to_rdataset().rdtype == dns.rdatatype.SOA


def test_an_alias_is_followed(resolver: PretendResolver, ask: Ask) -> None:
    resolver.add("www.example.net", "CNAME", "host.example.net.")
    resolver.add("host.example.net", "A", "127.0.0.9")
    assert records(ask("www.example.net", "A")) == ["127.0.0.9", "host.example.net."]
    resolver.remove("host.example.net")
    dangling = ask("www.example.net", "A")
    assert (dangling.rcode(), records(dangling)) == (dns.rcode.NXDOMAIN, ["host.example.net."])


def test_an_alias_loop_is_servfail(resolver: PretendResolver, ask: Ask) -> None:
    resolver.add("a.example.net", "CNAME", "b.example.net.")
    resolver.add("b.example.net", "CNAME", "a.example.net.")
    assert ask("a.example.net", "A").rcode() == dns.rcode.SERVFAIL


def test_a_long_text_is_one_value(resolver: PretendResolver, ask: Ask) -> None:
    value = 'v=DKIM1; p="' + "A" * 400
    resolver.add("key.example.net", "TXT", value)
    assert b"".join(ask("key.example.net", "TXT", tcp=True).answer[0][0].strings) == value.encode()


@pytest.mark.parametrize(
    ("kind", "rcode"), [("servfail", dns.rcode.SERVFAIL), ("refused", dns.rcode.REFUSED)]
)
def test_a_name_can_fail(resolver: PretendResolver, ask: Ask, kind: str, rcode: dns.rcode.Rcode) -> None:
    resolver.add("example.net", "A", "127.0.0.1")
    resolver.trouble("example.net", kind)
    answer = ask("example.net", "A")
    assert (answer.rcode(), answer.answer) == (rcode, [])
    resolver.heal()
    assert ask("example.net", "A").rcode() == dns.rcode.NOERROR


def test_trouble_may_concern_one_type_only(resolver: PretendResolver, ask: Ask) -> None:
    resolver.add("example.net", "A", "127.0.0.1")
    resolver.trouble("example.net", "servfail", "MX")
    assert ask("example.net", "A").rcode() == dns.rcode.NOERROR
    assert ask("example.net", "MX").rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_a_name_can_be_silent(resolver: PretendResolver, ask: Ask, tcp: bool) -> None:
    resolver.trouble("example.net", "timeout")
    with pytest.raises((dns.exception.Timeout, EOFError)):
        ask("example.net", "A", tcp=tcp)


def test_a_truncated_answer_is_whole_over_tcp(resolver: PretendResolver, ask: Ask) -> None:
    resolver.add("example.net", "A", "127.0.0.1")
    resolver.trouble("example.net", "truncated")
    assert ask("example.net", "A").flags & dns.flags.TC
    assert records(ask("example.net", "A", tcp=True)) == ["127.0.0.1"]


def test_tcp_can_be_closed_after_a_truncated_answer(resolver: PretendResolver, ask: Ask) -> None:
    resolver.trouble("example.net", "truncated-no-tcp")
    assert ask("example.net", "A").flags & dns.flags.TC
    with pytest.raises(EOFError):
        ask("example.net", "A", tcp=True)


def test_a_big_answer_is_truncated_by_itself(resolver: PretendResolver, ask: Ask) -> None:
    resolver.add("example.net", "TXT", *(f"value {number} " + "x" * 100 for number in range(20)))
    assert ask("example.net", "TXT").flags & dns.flags.TC
    assert len(records(ask("example.net", "TXT", tcp=True))) == 20


def test_the_stub_resolver_of_dnspython_works_with_it(resolver: PretendResolver) -> None:
    resolver.add("example.net", "MX", "10 catcher.example.net.")
    resolver.add("big.example.net", "TXT", *("x" * 200 + str(number) for number in range(20)))
    stub = dns.resolver.Resolver(configure=False)
    stub.nameservers, stub.port = [resolver.address[0]], resolver.address[1]
    assert stub.resolve("example.net", "MX")[0].exchange.to_text() == "catcher.example.net."
    assert len(stub.resolve("big.example.net", "TXT")) == 20
    with pytest.raises(dns.resolver.NoAnswer):
        stub.resolve("example.net", "A")
    with pytest.raises(dns.resolver.NXDOMAIN):
        stub.resolve("nowhere.example", "A")


def test_questions_are_kept(resolver: PretendResolver, ask: Ask) -> None:
    ask("Example.net", "MX")
    (question,) = resolver.questions
    assert (question.name, question.rtype, question.transport) == ("example.net", "MX", "udp")


def test_latency_delays_every_answer(resolver: PretendResolver, ask: Ask) -> None:
    resolver.latency = 0.3
    with pytest.raises(dns.exception.Timeout):
        ask("example.net", "A", timeout=0.1)
    assert ask("example.net", "A", timeout=2).rcode() == dns.rcode.NXDOMAIN


def test_nonsense_does_not_stop_it(resolver: PretendResolver, ask: Ask) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"nonsense", resolver.address)
    assert ask("example.net", "A").rcode() == dns.rcode.NXDOMAIN


def test_a_wrong_record_is_refused(resolver: PretendResolver) -> None:
    with pytest.raises(dns.exception.DNSException):
        resolver.add("example.net", "A", "no address")
