"""SPF beyond the suite: field reports, limits, and temporary against permanent."""

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from mailauth import spf
from mailauth.resolver import Mx
from mailauth.spf import Identity, Problem, Status
from tests.mailauth.zone import Zone


def check(zone, client="192.0.2.10", sender="x@s.example", helo="mail.s.example", **options):
    resolver = zone if isinstance(zone, Zone) else Zone(zone)
    return asyncio.run(spf.check(ip_address(client), helo, sender, resolver, **options))


def txt(*texts):
    return [("TXT", text.encode()) for text in texts]


SIX = IPv6Address("2001:db8::25")
HOSTS = [f"mx{number}.s.example" for number in range(4)]
# B26: a client by IPv6, of whose four MX hosts one has an AAAA record.
DUAL = {
    "s.example": [*txt("v=spf1 a mx include:i.example -all"), ("A", IPv4Address("192.0.2.1"))]
    + [("MX", Mx(10, host)) for host in HOSTS],
    "i.example": txt("v=spf1 ip6:2001:db8::/64 -all"),
    HOSTS[0]: [("AAAA", SIX)],
    **{host: [("A", IPv4Address("192.0.2.2"))] for host in HOSTS[1:]},
}


def test_ipv4_hosts_do_no_harm_to_a_client_by_ipv6():
    assert check(DUAL, "2001:db8::25").status is Status.PASS
    assert check(DUAL, "2001:db8::99").status is Status.PASS, "by the include"
    assert check(DUAL, "2001:db9::99").status is Status.FAIL
    assert check(DUAL, "192.0.2.2").status is Status.PASS


@pytest.mark.parametrize("client", ["192.0.2.10", "::ffff:192.0.2.10"])
def test_a_mapped_address_is_the_ipv4_client(client):
    zone = {"s.example": txt("v=spf1 ip4:192.0.2.0/24 -all")}
    assert check(zone, client).status is Status.PASS


@pytest.mark.parametrize(
    ("zone", "problem"),
    [
        ({"s.example": txt("v=spf1 -all", "v=spf1 +all")}, Problem.SEVERAL_RECORDS),
        ({"s.example": txt("v=spf1 include:s.example -all")}, Problem.TOO_MANY_TERMS),
        ({"s.example": txt("v=spf1 redirect=s.example")}, Problem.TOO_MANY_TERMS),
        (
            {"s.example": txt("v=spf1 " + " ".join(f"include:i{n}.example" for n in range(11)) + " -all")}
            | {f"i{n}.example": txt("v=spf1 ?all") for n in range(11)},
            Problem.TOO_MANY_TERMS,
        ),
        ({"s.example": txt("v=spf1 include:none.example -all")}, Problem.NO_TARGET),
        ({"s.example": txt("v=spf1 a:a.example a:b.example a:c.example -all")}, Problem.TOO_MANY_VOID),
        ({"s.example": txt("v=spf1 " + "ip4:192.0.2.1 " * 2000 + "-all")}, Problem.SYNTAX),
    ],
)
def test_what_the_owner_must_repair_is_permanent(zone, problem):
    result = check(zone)
    assert (result.status, result.problem) == (Status.PERMERROR, problem)


@pytest.mark.parametrize(
    "record", ["v=spf1 a:t.example -all", "v=spf1 include:t.example -all", "v=spf1 mx:t.example"]
)
def test_what_dns_does_not_answer_is_temporary(record):
    result = check({"s.example": txt(record), "t.example": [("TIMEOUT", None)]})
    assert (result.status, result.problem) == (Status.TEMPERROR, Problem.DNS)


def test_a_null_sender_is_checked_by_its_helo_name():
    result = check({"mail.s.example": txt("v=spf1 ip4:192.0.2.10 -all")}, sender="")
    assert (result.status, result.identity, result.domain) == (Status.PASS, Identity.HELO, "mail.s.example")


@pytest.mark.parametrize(
    "sender", ["x", "@", "x@", "x@[192.0.2.1]", "x@localhost", "x@a..b", "x@" + "a" * 300 + ".example"]
)
def test_a_sender_without_a_domain_has_no_result(sender):
    assert check({}, sender=sender).status is Status.NONE


def test_questions_are_not_asked_for_what_does_not_matter():
    zone = Zone({"s.example": txt("v=spf1 ip4:192.0.2.0/24 mx a include:other.example -all exp=why.example")})
    assert check(zone).status is Status.PASS
    assert zone.asked == [("TXT", "s.example")]


def test_an_explanation_is_fetched_only_when_wanted():
    zone = Zone(
        {"s.example": txt("v=spf1 -all exp=why.example"), "why.example": txt("%{i} is not ours at %{t}")}
    )
    assert check(zone).explanation is None
    assert check(zone, explain=True, now=5).explanation == "192.0.2.10 is not ours at 5"
