"""core.dns_records"""

from itertools import pairwise

import dns.rdata
import dns.rdatatype
import dns.zone
import pytest

from core.audit import OPERATOR
from core.dns_records import quoted, zone_lines
from core.models import Domain
from core.signing_keys import KeyRefused, create_key, put_in_use, rotate_key
from tests.support.arrange import DOMAIN, later, make_domain

OTHER = "other.example"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """On SQLite only: what is printed does not come from the database engine."""
    return sqlite_url


@pytest.fixture(autouse=True)
def domains(db, now) -> None:
    """proj.example is also the domain of MAIL_FROM; other.example has addresses and nothing else."""
    make_domain(now)
    make_domain(now, OTHER)


@pytest.fixture
def printed(settings, now):
    """What the command prints."""
    return lambda name, moment=now: "\n".join(zone_lines(name, settings, moment))


@pytest.fixture
def published(printed, now):
    """What a name server has of a domain when it is given what is printed: (name, type) to value."""

    def published(name: str, moment=now) -> dict[tuple[str, str], bytes]:
        text = f"$TTL 60\n{printed(name, moment)}\n"
        zone = dns.zone.from_text(text, origin=".", relativize=False, check_origin=False)
        return {
            (owner.to_text(omit_final_dot=True), dns.rdatatype.to_text(rdata.rdtype)): value_of(rdata)
            for owner, _, rdata in zone.iterate_rdatas()
        }

    return published


def value_of(rdata: dns.rdata.Rdata) -> bytes:
    return b"".join(rdata.strings) if hasattr(rdata, "strings") else rdata.to_text().encode()


def test_a_domain_of_addresses_is_proven_and_takes_mail_at_the_relay(published):
    token = Domain.get(Domain.name == OTHER).verification_token

    assert published(OTHER) == {
        (OTHER, "TXT"): b"waypost-site-verification=" + token.encode(),
        (OTHER, "MX"): b"10 mx.proj.example.",
    }


def test_a_domain_that_is_in_no_envelope_gets_spf_and_dmarc_as_suggestions_only(printed):
    lines = printed(OTHER).splitlines()

    assert '; other.example. IN TXT "v=spf1 -all"' in lines
    assert '; _dmarc.other.example. IN TXT "v=DMARC1; p=none"' in lines


def test_the_domain_of_return_paths_allows_the_relay_to_send(published, printed):
    assert published("srs.proj.example") == {
        ("srs.proj.example", "MX"): b"10 mx.proj.example.",
        ("srs.proj.example", "TXT"): b"v=spf1 a:mx.proj.example -all",
    }
    assert '; _dmarc.srs.proj.example. IN TXT "v=DMARC1; p=reject"' in printed("srs.proj.example")


def test_the_relays_own_name_allows_itself_for_bounces(published, printed):
    assert published("mx.proj.example") == {("mx.proj.example", "TXT"): b"v=spf1 a -all"}
    assert "A and AAAA" in printed("mx.proj.example")
    assert "PTR" in printed("mx.proj.example")


def test_the_domain_of_our_own_mail_has_a_dmarc_policy(published):
    assert published(DOMAIN)["_dmarc.proj.example", "TXT"] == b"v=DMARC1; p=none"


def test_one_name_for_everything_has_each_record_once(settings, now):
    name = "proj.example"
    everything = settings.model_copy(update={"srs_domain": name, "relay_hostname": name})
    lines = [line for line in zone_lines(name, everything, now) if not line.startswith(";")]

    assert [line.partition(" IN ")[0] for line in lines] == [f"{name}."] * 3 + [f"_dmarc.{name}."]
    assert [line.partition(" IN ")[2][:12] for line in lines] == [
        'TXT "waypost', "MX 10 proj.e", 'TXT "v=spf1 ', 'TXT "v=DMARC',
    ]  # fmt: skip


def test_without_a_key_it_says_how_to_make_one(printed, settings, now):
    assert "waypost keys create other.example" in printed(OTHER)
    create_key(OPERATOR, OTHER, settings, now, algorithm="ed25519")
    assert "waypost keys create" not in printed(OTHER)


def test_every_key_is_printed_as_long_as_dns_needs_it(published, printed, settings, now):
    old = create_key(OPERATOR, OTHER, settings, now)
    assert published(OTHER)[old.record_name, "TXT"] == old.record.encode()
    assert "once DNS shows" in printed(OTHER)

    put_in_use(OPERATOR, old, now)
    assert "in use since 2026-11-26" in printed(OTHER)
    new = rotate_key(OPERATOR, OTHER, settings, now)
    put_in_use(OPERATOR, new, later(now, days=2))
    both = {(key.record_name, "TXT"): key.record.encode() for key in (old, new)}
    assert both.items() <= published(OTHER, later(now, days=31)).items()
    assert "until 2026-12-28" in printed(OTHER, later(now, days=31))
    assert (old.record_name, "TXT") not in published(OTHER, later(now, days=33))
    assert (new.record_name, "TXT") in published(OTHER, later(now, days=33))


@pytest.mark.parametrize("name", [DOMAIN, OTHER, "srs.proj.example", "mx.proj.example"])
def test_a_comment_with_the_reason_stands_before_each_record(settings, now, name):
    create_key(OPERATOR, name, settings, now)
    lines = zone_lines(name, settings, now)

    for before, line in pairwise(lines):
        if " IN " in line:
            assert before.startswith("; ")
            assert len(before.split()) > 6


@pytest.mark.parametrize("name", ["elsewhere.example", "sub.proj.example", "", "a b", "proj"])
def test_a_name_that_is_none_of_ours_has_no_records(settings, now, name):
    with pytest.raises(KeyRefused):
        zone_lines(name, settings, now)


@pytest.mark.parametrize("length", [1, 254, 255, 256, 510, 511, 2000])
def test_a_text_is_split_at_255_octets(length):
    text = ("0123456789" * 200)[:length]
    strings = quoted(text).split(" ")

    assert "".join(part[1:-1] for part in strings) == text
    assert all(len(part) <= 257 for part in strings)


def test_quotation_marks_and_backslashes_are_escaped():
    rdata = dns.rdata.from_text("IN", "TXT", quoted('a"b\\c;d'))
    assert rdata.strings == (b'a"b\\c;d',)
