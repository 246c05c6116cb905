"""core.dns_report: each finding, from answers alone"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.dns_asking import UNKNOWN, Outcome, Reply, reverse_name
from core.dns_records import Expected, What
from core.dns_report import Finding, Level, Site, findings
from core.models import DkimKey

NAME, RELAY, V4, V6 = "proj.example", "mx.proj.example", "8.0.0.1", "2600::1"
SITE = Site(RELAY, "waypost-site-verification=", has_upstreams=False, has_smarthost=False)
NONE = Reply(Outcome.ABSENT)
KEY_RECORD = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def has(*values: str, **fields: object) -> Reply:
    return Reply(Outcome.FOUND, values, **fields)


def one(expected: Expected, reply: Reply, site: Site = SITE, **more: Reply) -> Finding:
    """The finding on one record."""
    answers = {(expected.name, expected.rtype): reply} | {(RELAY, kind): each for kind, each in more.items()}
    return findings([expected], site, answers)[0]


PROOF = Expected(What.PROOF, "", NAME, "TXT", "waypost-site-verification=abc")
MX = Expected(What.EXCHANGER, "", NAME, "MX", f"10 {RELAY}")
SPF = Expected(What.SENDERS, "", NAME, "TXT", f"v=spf1 a:{RELAY} -all")
FREE_SPF = replace(SPF, value="v=spf1 -all", suggested=True)
DMARC = Expected(What.POLICY, "", f"_dmarc.{NAME}", "TXT", "v=DMARC1; p=none")


@pytest.mark.parametrize(
    ("expected", "reply", "level", "words"),
    [
        (PROOF, has("v=spf1 -all", PROOF.value), Level.RIGHT, "is proven"),
        (PROOF, has("waypost-site-verification=abd"), Level.WARNING, "no clear answer"),  # the other place
        (MX, has(f"5 {RELAY}"), Level.RIGHT, "goes to the relay"),
        (MX, has(f"5 {RELAY}", "10 mx.other.example"), Level.WARNING, "another server too"),
        (MX, has("10 mx.other.example"), Level.ERROR, "not to the relay"),
        (MX, has("0 "), Level.ERROR, "null MX"),
        (MX, NONE, Level.ERROR, "no MX"),
        (MX, UNKNOWN, Level.WARNING, "no clear answer"),
        (SPF, has("x", SPF.value), Level.RIGHT, "may send"),
        (SPF, has(f"V=SPF1 +a:{RELAY} include:other.example ~all"), Level.RIGHT, "may send"),
        (SPF, has("v=spf1 include:other.example -all"), Level.WARNING, "leads to others"),
        (SPF, has("v=spf1 ip4:192.0.2.0/24 -all"), Level.ERROR, "does not let the relay"),
        (SPF, has("v=spf1 ip4:nonsense -all"), Level.ERROR, "does not let the relay"),
        (SPF, has("v=spf1 +all"), Level.WARNING, "everybody"),
        (SPF, has(SPF.value, "v=spf1 -all"), Level.ERROR, "several"),
        (SPF, has("v=spf10 +all"), Level.ERROR, "no SPF"),
        (SPF, NONE, Level.ERROR, "no SPF"),
        (FREE_SPF, NONE, Level.RIGHT, "or none"),
        (FREE_SPF, has("v=spf1 mx ?all"), Level.RIGHT, "or none"),
        (FREE_SPF, has("v=spf1 mx ?all", "v=spf1 -all"), Level.ERROR, "several"),
        (DMARC, has("v=DMARC1; p=none"), Level.RIGHT, "There is a DMARC policy."),
        (DMARC, has("v=DMARC1;p=reject; rua=mailto:x@y.example"), Level.RIGHT, "must sign"),
        (DMARC, has("v=DMARC1; p=maybe"), Level.ERROR, "no policy that is one"),
        (DMARC, has("v=DMARC1; p=none", "v=DMARC1; p=reject"), Level.ERROR, "several"),
        (DMARC, NONE, Level.WARNING, "Large providers"),
        (replace(DMARC, suggested=True), NONE, Level.RIGHT, "would be better"),
    ],
)
def test_a_record_is_judged_in_words(expected, reply, level, words):
    finding = one(expected, reply)

    assert (finding.level, finding.name) == (level, expected.name)
    assert words in finding.sentence


def proof(apex: Reply, below: Reply) -> Finding:
    return findings([PROOF], SITE, {(NAME, "TXT"): apex, (f"_waypost.{NAME}", "TXT"): below})[0]


def test_the_proof_counts_at_both_places_and_others_are_shown():
    other = "waypost-site-verification=old"

    assert proof(NONE, has(PROOF.value)).level is Level.RIGHT
    assert proof(UNKNOWN, has(PROOF.value)).level is Level.RIGHT
    assert proof(NONE, UNKNOWN).level is Level.WARNING
    assert proof(NONE, NONE).level is Level.ERROR
    found = proof(has("v=spf1 -all", other), NONE)
    assert (found.level, found.found) == (Level.ERROR, (other,))


def test_with_a_server_of_ones_own_before_the_relay_another_mx_is_a_warning():
    assert one(MX, has("10 mx.other.example"), replace(SITE, has_upstreams=True)).level is Level.WARNING


def test_networks_with_all_the_relays_addresses_let_it_send():
    record = has("v=spf1 ip4:8.0.0.0/24 ip6:2600::/32 -all")

    assert one(SPF, record, A=has(V4), AAAA=has(V6)).level is Level.RIGHT
    assert one(SPF, record, A=has(V4, "9.0.0.1"), AAAA=has(V6)).level is Level.ERROR


def key(**moments: datetime | None) -> Expected:
    row = DkimKey(domain=NAME, selector="s", algorithm="ed25519", record=KEY_RECORD, **moments)
    return Expected(What.KEY, "", f"s._domainkey.{NAME}", "TXT", KEY_RECORD, key=row)


@pytest.mark.parametrize(
    ("moments", "level"),
    [
        ({}, Level.WARNING),
        ({"published_at": NOW}, Level.ERROR),
        ({"published_at": NOW, "retired_at": NOW}, Level.WARNING),
    ],
)
def test_a_missing_key_is_as_bad_as_its_use(moments, level):
    assert one(key(**moments), NONE).level is level
    assert one(key(**moments), has("v=DKIM1; p=")).level is level
    assert one(key(**moments), has(KEY_RECORD.replace("; ", ";"))).level is Level.RIGHT


# -- the relay's addresses ------------------------------------------------------------------------

V4_NAME = reverse_name(V4)


def addresses(site: Site = SITE, **answers: Reply) -> dict[str, Finding]:
    """The findings on the relay's addresses, by type. answers: its A and AAAA, PTR, and `host`'s A."""
    by_name = {(RELAY, "A"): answers.get("A", has(V4)), (RELAY, "AAAA"): answers.get("AAAA", NONE)}
    by_name[V4_NAME, "PTR"] = answers.get("PTR", UNKNOWN)
    by_name["host.example", "A"] = answers.get("host", UNKNOWN)
    return {finding.rtype: finding for finding in findings([], site, by_name)}


@pytest.mark.parametrize(
    ("answers", "level", "words"),
    [
        ({"PTR": has(RELAY)}, Level.RIGHT, "leads back"),
        ({"PTR": NONE}, Level.ERROR, "has no PTR"),
        ({"PTR": UNKNOWN}, Level.WARNING, "no clear answer"),
        ({"PTR": has("host.example"), "host": has(V4)}, Level.WARNING, "greets as"),
        ({"PTR": has("host.example"), "host": has("9.0.0.1")}, Level.ERROR, "does not lead back"),
        ({"PTR": has("host.example"), "host": NONE}, Level.ERROR, "does not lead back"),
        ({"PTR": has("host.example"), "host": UNKNOWN}, Level.WARNING, "no clear answer"),
        ({"PTR": has("host.example", RELAY), "host": NONE}, Level.RIGHT, "leads back"),
    ],
)
def test_an_address_must_lead_to_a_name_that_leads_back(answers, level, words):
    finding = addresses(**answers)["PTR"]

    assert finding.level is level
    assert words in finding.sentence


def test_behind_a_smarthost_the_relays_own_ptr_is_no_error():
    assert addresses(replace(SITE, has_smarthost=True), PTR=NONE)["PTR"].level is Level.WARNING


def test_a_private_address_is_a_warning():
    found = findings([], SITE, {(RELAY, "A"): has("127.0.0.1"), (RELAY, "AAAA"): NONE})

    assert "no public address" in next(one.sentence for one in found if one.rtype == "PTR")


def test_ipv6_is_a_warning_and_no_address_at_all_an_error():
    assert addresses()["AAAA"].level is Level.WARNING
    assert addresses(A=NONE)["A"].level is Level.ERROR
    assert addresses(A=UNKNOWN)["A"].level is Level.WARNING
    only_v6 = addresses(A=NONE, AAAA=has(V6))
    assert (only_v6["A"].level, only_v6["AAAA"].level) == (Level.ERROR, Level.RIGHT)


def test_lame_servers_are_named():
    found = findings([], SITE, {(RELAY, "A"): has(V4, silent=("ns2.example",))})

    assert [(one.level, one.found) for one in found if one.what == "servers"] == [
        (Level.WARNING, ("ns2.example",))
    ]


def test_a_question_that_nobody_asked_is_no_error():
    assert {finding.level for finding in findings([PROOF, MX, SPF, DMARC], SITE, {})} == {Level.WARNING}
