"""The proof of a domain and the report on it, with a real authoritative server and a real resolver"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.audit import OPERATOR
from core.dns_asking import Outcome
from core.dns_look import Report, report_on
from core.dns_report import Level
from core.domain_proof import Look, look_for_record
from core.domains import make_resolver
from core.models import Domain
from core.signing_keys import create_key
from tests.support.arrange import make_domain
from tests.support.dns_servers import GOOD, LAME, MUTE, DnsServers, dns_servers

PREFIX = "waypost-site-verification="
RECORD = f'TXT "{PREFIX}abc123"'
OWN = f"@ NS ns\nns A {GOOD}\n"

ZONES = {
    "plain.example": OWN + f'@ TXT "v=spf1 -all"\n@ TXT "{PREFIX}" "abc" "123"\n@ TXT "{PREFIX}old999"\n',
    "under.example": OWN + f"_waypost {RECORD}\n",
    "UPPER.example": OWN + f"_WayPost {RECORD}\n",
    "octets.example": OWN + f'@ TXT "\\255\\000 x"\n@ {RECORD}\n',
    "none.example": OWN + '@ TXT "v=spf1 -all"\n',
    "longer.example": OWN + f'@ TXT "{PREFIX}abc1234"\n@ TXT "x{PREFIX}abc123"\n@ TXT "{PREFIX}ABC123"\n',
    "alias.example": OWN
    + f"www CNAME cdn.plain.example.\n_waypost.www {RECORD}\n"
    + "led CNAME target.other.example.\n_waypost.led CNAME moved.other.example.\n",
    "other.example": OWN + f"target A 192.0.2.1\nmoved {RECORD}\n",
    "signed.example": OWN + f"@ {RECORD}\n",
    "signednone.example": OWN + '@ TXT "v=spf1 -all"\n',
    "bogus.example": OWN + f'@ TXT "tampered-before"\n@ {RECORD}\n',
    "half.example": f"@ NS ns\n@ NS ns2\nns A {GOOD}\nns2 A {LAME}\n@ {RECORD}\n",
    "changing.example": OWN + '@ TXT "v=spf1 -all"\n',
    "proj.example": OWN,
    "srs.proj.example": OWN,
    "relay.example": OWN,
    "3.2.1.in-addr.arpa": OWN,
    "0.0.6.2.ip6.arpa": OWN,
}
ELSEWHERE = {
    "half.example": [LAME, GOOD],
    "dead.example": [LAME],
    "slow.example": [MUTE],
    "gone.example": [GOOD],
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """On SQLite only: what DNS says does not come from the database engine."""
    return sqlite_url


@pytest.fixture(scope="module")
def servers(tmp_path_factory) -> Iterator[DnsServers]:
    folder: Path = tmp_path_factory.mktemp("dns")
    signed = ("signed.example", "signednone.example", "bogus.example")
    with dns_servers(folder, ZONES, ELSEWHERE, signed=signed) as running:
        yield running


@pytest.fixture
def look(servers):
    """Look for the record of a domain."""

    def look(name: str) -> Look:
        resolver = make_resolver(servers.resolver)
        domain = Domain(name=name.lower(), verification_token="abc123")
        return look_for_record(domain, resolver, PREFIX, servers.authoritative_port)

    return look


PROVEN = ["plain.example", "under.example", "UPPER.example", "octets.example", "signed.example"]


@pytest.mark.parametrize("name", [*PROVEN, "www.alias.example", "led.alias.example"])
def test_the_record_is_found_however_it_is_published(look, name):
    assert look(name).outcome is Outcome.FOUND


def test_other_records_of_the_kind_are_named(look):
    assert look("plain.example").others == (f"{PREFIX}old999",)
    assert look("longer.example").others == (f"{PREFIX}ABC123", f"{PREFIX}abc1234")


@pytest.mark.parametrize("name", ["none.example", "longer.example", "signednone.example", "www.none.example"])
def test_what_is_clearly_not_there_is_absent(look, name):
    assert look(name).outcome is Outcome.ABSENT


def test_a_domain_that_does_not_exist_is_a_clear_absence(look):
    assert look("missing.plain.example").outcome is Outcome.ABSENT


@pytest.mark.parametrize("name", ["dead.example", "slow.example", "bogus.example"])
def test_trouble_is_no_absence_and_no_proof(look, name):
    assert look(name).outcome is Outcome.UNKNOWN


def test_a_resolver_that_is_not_there_is_no_absence(servers):
    domain = Domain(name="plain.example", verification_token="abc123")
    nowhere = make_resolver(("127.0.0.1", 1))

    assert look_for_record(domain, nowhere, PREFIX, servers.authoritative_port).outcome is Outcome.UNKNOWN


def test_one_lame_server_of_two_is_named_and_does_no_harm(look):
    seen = look("half.example")

    assert seen.outcome is Outcome.FOUND
    assert seen.silent == ("ns2.half.example",)


def test_a_new_record_counts_before_caches_know_it(look, servers):
    assert look("changing.example").outcome is Outcome.ABSENT  # the resolver keeps that for five minutes
    servers.publish("changing.example", OWN + f"@ {RECORD}\n")

    assert look("changing.example").outcome is Outcome.FOUND


def test_what_a_resolver_has_checked_outweighs_what_it_has_not(look, servers):
    assert look("signednone.example").outcome is Outcome.ABSENT
    servers.publish("signednone.example", OWN + f"@ {RECORD}\n")  # not signed: as a forger would

    assert look("signednone.example").outcome is Outcome.UNKNOWN


# -- the report -----------------------------------------------------------------------------------


@pytest.fixture
def report(servers, settings, db, now):
    """Report on a domain whose relay is mx.relay.example, at 1.2.3.4."""
    host, port = servers.resolver
    site = settings.model_copy(
        update={
            "resolver": f"{host}:{port}",
            "name_server_port": servers.authoritative_port,
            "relay_hostname": "mx.relay.example",
        }
    )
    domain = make_domain(now)
    Domain.update(verification_token="abc123").where(Domain.id == domain.id).execute()
    return lambda fresh=True: report_on("proj.example", site, now, fresh=fresh)


def test_a_key_in_two_strings_is_the_key(report, servers, settings, db, now):
    key = create_key(OPERATOR, "proj.example", settings, now)  # RSA, 2048 bits
    strings = f'"{key.record[:255]}" "{key.record[255:]}"'
    selector = key.record_name.removesuffix(".proj.example")
    servers.publish("proj.example", OWN + f"{selector} TXT {strings}\n")

    found = [one.level for one in report().findings if one.what == "key"]
    assert len(key.record) > 255
    assert found == [Level.RIGHT]


def errors(found: Report) -> set[tuple[str, str]]:
    return {(one.what, one.name) for one in found.findings if one.level is Level.ERROR}


def test_a_report_goes_round_the_cache_and_falls_silent_when_all_is_right(report, servers):
    bare = report(fresh=False)
    assert {
        ("proof", "proj.example"),
        ("mx", "proj.example"),
        ("mx", "srs.proj.example"),
        ("spf", "srs.proj.example"),
        ("addresses", "mx.relay.example"),
    } <= errors(bare)

    mx = "@ MX 10 mx.relay.example.\n"
    servers.publish("proj.example", OWN + mx + f'@ {RECORD}\n_dmarc TXT "v=DMARC1; p=none"\n')
    servers.publish("srs.proj.example", OWN + mx + '@ TXT "v=spf1 a:mx.relay.example -all"\n')
    servers.publish("relay.example", OWN + 'mx A 1.2.3.4\nmx AAAA 2600::4\nmx TXT "v=spf1 a -all"\n')
    servers.publish("3.2.1.in-addr.arpa", f"@ NS ns.plain.example.\n4 PTR mx.relay.example.\nns A {GOOD}\n")

    v6 = "4." + "0." * 27 + "0.0.6.2.ip6.arpa."
    servers.publish("0.0.6.2.ip6.arpa", f"@ NS ns.plain.example.\n{v6} PTR mx.relay.example.\n")

    assert errors(report(fresh=False)) == errors(bare)  # the resolver's cache
    fresh = report(fresh=True)
    assert errors(fresh) == set()
    assert [one.level for one in fresh.findings if one.what == "ptr"] == [Level.RIGHT, Level.RIGHT]
