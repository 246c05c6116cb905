"""core.domains, against a real DNS server on loopback"""

import time
from collections.abc import Iterator

import pytest

from core import domains
from core.addresses import AddressError
from core.audit import OPERATOR, first_fault
from core.dns_asking import Outcome
from core.domain_proof import look_for_record
from core.domains import (
    DomainExists,
    add_domain,
    find_domain,
    is_ours,
    make_resolver,
    mark_verified,
    verification_record,
)
from core.models import AuditEntry, Domain, DomainTeam
from devtools.resolver import PretendResolver, Trouble
from tests.support.threads import at_once

NAME = "proj.example"
PREFIX = "waypost-site-verification="


@pytest.fixture(scope="module")
def dns_server() -> Iterator[PretendResolver]:
    server = PretendResolver()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def zone(dns_server, monkeypatch) -> PretendResolver:
    """The server with an empty zone; a name that is never answered is given up quickly."""
    dns_server.heal()
    for name in (NAME, f"_waypost.{NAME}", "elsewhere.example"):
        dns_server.remove(name)
    monkeypatch.setattr(domains, "DNS_SECONDS", 0.2)
    return dns_server


@pytest.fixture
def domain() -> Domain:
    return Domain(name=NAME, verification_token="Token-123_abc")


@pytest.fixture
def look(zone, domain):
    return lambda: look_for_record(domain, make_resolver(zone.address), PREFIX).outcome


RECORD = "waypost-site-verification=Token-123_abc"


def test_the_record_is_the_prefix_and_the_token(domain):
    assert verification_record(domain, PREFIX) == RECORD


@pytest.mark.parametrize("name", [NAME, f"_waypost.{NAME}"])
def test_the_record_counts_at_both_places(look, zone, name):
    zone.add(name, "TXT", RECORD)

    assert look() is Outcome.FOUND


def test_the_record_counts_among_others(look, zone):
    zone.add(NAME, "TXT", "v=spf1 -all", "other-site-verification=1", RECORD, "v=DMARC1; p=none")

    assert look() is Outcome.FOUND


def test_the_strings_of_one_record_are_joined_with_nothing_between(look, zone):
    zone.add(NAME, "TXT", '"waypost-site-veri" "fication=Token" "-123_abc"')

    assert look() is Outcome.FOUND


def test_the_record_counts_behind_an_alias(look, zone):
    zone.add(f"_waypost.{NAME}", "CNAME", "elsewhere.example.")
    zone.add("elsewhere.example", "TXT", RECORD)

    assert look() is Outcome.FOUND


def test_the_record_counts_in_an_answer_too_long_for_udp(look, zone):
    zone.add(NAME, "TXT", *[f"{number:03d}" * 60 for number in range(40)], RECORD)

    assert look() is Outcome.FOUND


@pytest.mark.parametrize(
    "text",
    [
        "waypost-site-verification=Token-123_abd",
        "waypost-site-verification=token-123_abc",
        "WAYPOST-site-verification=Token-123_abc",
        "waypost-site-verification=Token-123_abc ",
        " waypost-site-verification=Token-123_abc",
        "waypost-site-verification=Token-123_abcd",
        "waypost-site-verification=",
        "Token-123_abc",
    ],
)
def test_anything_but_the_exact_record_is_absent(look, zone, text):
    zone.add(NAME, "TXT", text)

    assert look() is Outcome.ABSENT


def test_the_record_over_two_records_is_absent(look, zone):
    zone.add(NAME, "TXT", "waypost-site-verification=", "Token-123_abc")

    assert look() is Outcome.ABSENT


def test_a_domain_without_txt_records_is_absent(look, zone):
    zone.add(NAME, "MX", "10 mx.proj.example.")

    assert look() is Outcome.ABSENT


def test_a_domain_that_is_not_in_dns_is_absent(look):
    assert look() is Outcome.ABSENT


def test_the_record_of_another_name_does_not_count(look, zone):
    zone.add("elsewhere.example", "TXT", RECORD)

    assert look() is Outcome.ABSENT


@pytest.mark.parametrize(
    "trouble", [Trouble.SERVFAIL, Trouble.REFUSED, Trouble.TIMEOUT, Trouble.TRUNCATED_NO_TCP]
)
@pytest.mark.parametrize("name", [NAME, f"_waypost.{NAME}"])
def test_dns_in_trouble_at_one_place_is_unknown(look, zone, trouble, name):
    zone.trouble(name, trouble)

    assert look() is Outcome.UNKNOWN


@pytest.mark.parametrize(("name", "good"), [(NAME, f"_waypost.{NAME}"), (f"_waypost.{NAME}", NAME)])
def test_trouble_at_one_place_does_not_hide_the_record_at_the_other(look, zone, name, good):
    zone.trouble(name, Trouble.SERVFAIL)
    zone.add(good, "TXT", RECORD)

    assert look() is Outcome.FOUND


def test_a_server_that_says_nothing_is_given_up(look, zone):
    for name in (NAME, f"_waypost.{NAME}"):
        zone.trouble(name, Trouble.TIMEOUT)
    began = time.monotonic()

    assert look() is Outcome.UNKNOWN
    assert time.monotonic() - began < 1.5


def test_a_server_that_is_not_there_is_unknown(domain, monkeypatch):
    monkeypatch.setattr(domains, "DNS_SECONDS", 0.2)

    assert look_for_record(domain, make_resolver(("127.0.0.1", 1)), PREFIX).outcome is Outcome.UNKNOWN


def test_only_the_configured_server_is_asked():
    resolver = make_resolver(("192.0.2.53", 5353))

    assert (resolver.nameservers, resolver.port) == (["192.0.2.53"], 5353)


# -- rows -----------------------------------------------------------------------------------------


def test_a_new_domain_is_not_verified_and_has_a_token_of_its_own(db, now):
    one = add_domain(OPERATOR, "proj.example", ["members"], now)
    other = add_domain(OPERATOR, "other.example", ["members"], now)

    assert one.verified_at is None
    assert len(one.verification_token) >= 32
    assert one.verification_token != other.verification_token


def test_a_domain_is_kept_in_its_one_form(db, now):
    assert add_domain(OPERATOR, "BÜCHER.Example.", [], now).name == "xn--bcher-kva.example"


def test_the_teams_of_a_domain_are_kept_once_each(db, now):
    add_domain(OPERATOR, NAME, ["members", "staff", "members"], now)

    assert [row.team for row in DomainTeam.select().order_by(DomainTeam.team)] == ["members", "staff"]


@pytest.mark.parametrize("name", [NAME, "PROJ.example", "proj.example."])
def test_a_domain_cannot_be_added_twice_in_any_spelling(db, now, name):
    add_domain(OPERATOR, NAME, [], now)

    with pytest.raises(DomainExists):
        add_domain(OPERATOR, name, ["members"], now)
    assert Domain.select().count() == 1
    assert DomainTeam.select().count() == 0


@pytest.mark.parametrize(
    "name", ["", "proj", "*.proj.example", "https://proj.example", "a b.example", "192.0.2.1"]
)
def test_what_is_no_domain_cannot_be_added(db, now, name):
    with pytest.raises(AddressError):
        add_domain(OPERATOR, name, [], now)
    assert Domain.select().count() == 0


def test_one_of_two_who_add_a_domain_at_once_is_told_that_it_is_there(db, now):
    results = at_once(*[lambda: add_domain(OPERATOR, NAME, ["members"], now)] * 4)

    assert [type(result) for result in results if not isinstance(result, Domain)] == [DomainExists] * 3
    assert Domain.select().count() == 1


def test_a_domain_is_verified_once(db, now):
    domain = add_domain(OPERATOR, NAME, [], now)
    mark_verified(OPERATOR, domain, now)
    mark_verified(OPERATOR, Domain.get(), now.replace(year=2027))

    assert Domain.get().verified_at == now
    assert [entry.verb for entry in AuditEntry.select().order_by(AuditEntry.id)] == [
        "domain-added",
        "domain-verified",
    ]
    assert first_fault() is None


def test_verifying_changes_nothing_else_of_a_domain(db, now):
    domain = add_domain(OPERATOR, NAME, [], now)
    Domain.update(grace_days=30, removed_at=now).execute()  # by somebody else meanwhile
    mark_verified(OPERATOR, domain, now)

    stored = Domain.get()
    assert (stored.grace_days, stored.removed_at) == (30, now)


def test_a_domain_is_ours_from_the_moment_it_is_added(db, now):
    assert not is_ours(NAME)
    add_domain(OPERATOR, NAME, [], now)

    assert is_ours(NAME)
    assert not is_ours("sub.proj.example")


@pytest.mark.parametrize("name", [NAME, "PROJ.example", "proj.example."])
def test_a_domain_is_found_by_its_name_in_any_spelling(db, now, name):
    domain = add_domain(OPERATOR, NAME, [], now)
    add_domain(OPERATOR, "other.example", [], now)

    assert find_domain(name) == domain


@pytest.mark.parametrize(
    "name", ["third.example", "", "proj", "a b", "\x00", "x" * 5000, "proj.example\ud800"]
)
def test_a_name_that_is_no_domain_of_ours_finds_none(db, now, name):
    add_domain(OPERATOR, NAME, [], now)

    assert find_domain(name) is None


def test_a_removed_domain_is_not_found(db, now):
    add_domain(OPERATOR, NAME, [], now)
    Domain.update(removed_at=now).execute()

    assert find_domain(NAME) is None


def test_a_domain_asks_for_the_code_of_conduct_unless_told_otherwise(db, now):
    add_domain(OPERATOR, NAME, [], now)
    add_domain(OPERATOR, "other.example", [], now, coc_required=False)

    assert {row.name: row.coc_required for row in Domain.select()} == {NAME: True, "other.example": False}


def test_a_removed_domain_is_not_ours(db, now):
    add_domain(OPERATOR, NAME, [], now)
    Domain.update(removed_at=now).execute()

    assert not is_ours(NAME)
