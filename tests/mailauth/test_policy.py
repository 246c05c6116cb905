"""What a forwarder does with a verdict."""

import asyncio
from ipaddress import ip_address

import pytest

from mailauth import arc, check, message
from mailauth.dmarc import Policy
from mailauth.policy import Action, Reason, Trust, decide
from mailauth.results import Method, Results, parse
from tests.mailauth.mails import NOW, PLAIN, key, published, signed
from tests.mailauth.zone import Zone

REJECT = b"v=DMARC1; p=reject"
CLIENT = check.Client(ip_address("192.0.2.10"), "mail.list.example", "bounce@list.example")
SEALER = key("rsa1024", "sealer.example", "arc")
LIST = b"List-Id: Talk <talk.list.example>\r\n"


def zone(**extra):
    records = published(key(), SEALER, key(domain="list.example")).records
    return Zone({**records, "_dmarc.example.org": [("TXT", REJECT)], **extra})


def judge(data, resolver=None, trust=None, *, exempt=False, client=CLIENT):
    parsed = message.parse(data)
    verdict = asyncio.run(check.check(parsed, client, resolver or zone(), now=NOW))
    decision = decide(parsed, verdict, trust or Trust(), exempt=exempt)
    return decision.action, decision.reason


def vouched(results, data=PLAIN):
    parsed = message.parse(data)
    made = arc.seal(parsed, arc.Chain(arc.Status.NONE, next=1), results, SEALER, NOW)
    return made + data


SAW_PASS = Results("sealer.example", (Method("dmarc", "pass", properties=(("header.from", "example.org"),)),))
TRUST = Trust(sealers=frozenset({"sealer.example"}), lists=frozenset({"list.example"}))


def test_what_authenticates_passes_and_a_spoof_is_refused():
    assert judge(signed()) == (Action.PASS, Reason.NOTHING)
    assert judge(PLAIN) == (Action.REJECT, Reason.POLICY)
    assert judge(signed() + b"altered\r\n") == (Action.REJECT, Reason.POLICY)


def test_quarantine_is_passed_on_with_a_mark():
    resolver = zone(**{"_dmarc.example.org": [("TXT", b"v=DMARC1; p=quarantine; pct=100")]})
    assert judge(PLAIN, resolver) == (Action.MARK, Reason.QUARANTINE)


def test_postmaster_and_abuse_are_never_refused():
    assert judge(PLAIN, exempt=True) == (Action.MARK, Reason.EXEMPT)
    gone = zone(**{"_dmarc.example.org": [("TIMEOUT", None)]})
    assert judge(PLAIN, gone, exempt=True)[0] is Action.MARK


def test_temporary_trouble_defers_only_where_it_decides():
    gone = zone(**{"_dmarc.example.org": [("TIMEOUT", None)]})
    assert judge(PLAIN, gone) == (Action.DEFER, Reason.TEMPORARY)
    assert judge(signed(), gone) == (Action.PASS, Reason.NOTHING)
    no_key = zone(**{key().record_name: [("TIMEOUT", None)]})
    assert judge(signed(), no_key) == (Action.DEFER, Reason.TEMPORARY)


def test_a_trusted_sealer_vouches_and_another_does_not():
    assert judge(vouched(SAW_PASS), trust=TRUST) == (Action.MARK, Reason.SEALER)
    assert judge(vouched(SAW_PASS))[0] is Action.REJECT


def test_a_sealer_whose_key_is_not_available_now_defers_only_if_trusted():
    late = zone(**{SEALER.record_name: [("TIMEOUT", None)]})
    assert judge(vouched(SAW_PASS), late, TRUST) == (Action.DEFER, Reason.TEMPORARY)
    assert judge(vouched(SAW_PASS), late)[0] is Action.REJECT
    assert judge(vouched(SAW_PASS), late, Trust(sealers=frozenset({"other.example"})))[0] is Action.REJECT


@pytest.mark.parametrize(
    "method",
    [
        Method("dmarc", "fail", properties=(("header.from", "example.org"),)),
        Method("dmarc", "pass", properties=(("header.from", "other.example"),)),
        Method("dmarc", "pass"),
        Method("dkim", "pass", properties=(("header.d", "other.example"),)),
        Method("spf", "pass", properties=(("smtp.mailfrom", "x@example.org"),)),
    ],
)
def test_a_trusted_sealer_who_saw_no_pass_for_the_author_does_not_vouch(method):
    assert judge(vouched(Results("sealer.example", (method,))), trust=TRUST)[0] is Action.REJECT


def test_an_aligned_signature_that_the_sealer_saw_vouches():
    results = Results(
        "sealer.example", (Method("dkim", "pass", properties=(("header.i", "@mail.example.org"),)),)
    )
    assert judge(vouched(results), trust=TRUST)[0] is Action.MARK


def test_behind_a_sealer_who_is_not_trusted_nothing_counts():
    data = vouched(SAW_PASS)
    parsed = message.parse(data)
    resolver = zone(**published(key("rsa1024", "stranger.example", "arc")).records)
    chain = asyncio.run(arc.validate(parsed, resolver, NOW))
    stranger = key("rsa1024", "stranger.example", "arc")
    again = arc.seal(parsed, chain, Results("stranger.example"), stranger, NOW) + data
    assert judge(again, resolver, TRUST)[0] is Action.REJECT


def test_a_broken_chain_does_not_vouch():
    assert judge(vouched(SAW_PASS) + b"altered\r\n", trust=TRUST)[0] is Action.REJECT


def test_a_trusted_list_needs_its_id_and_a_proof():
    by_spf = zone(**{"list.example": [("TXT", b"v=spf1 ip4:192.0.2.10 -all")]})
    assert judge(LIST + PLAIN, by_spf, TRUST) == (Action.MARK, Reason.LIST)
    assert judge(PLAIN, by_spf, TRUST)[0] is Action.REJECT
    assert judge(LIST + PLAIN, zone(), TRUST)[0] is Action.REJECT
    assert judge(LIST + PLAIN, by_spf)[0] is Action.REJECT
    by_dkim = signed(LIST + PLAIN, key(domain="list.example"))
    assert judge(by_dkim, zone(), TRUST) == (Action.MARK, Reason.LIST)
    late = zone(**{"list.example": [("TIMEOUT", None)]})
    assert judge(LIST + PLAIN, late, TRUST) == (Action.DEFER, Reason.TEMPORARY)


def test_the_operator_overrules_a_domain_and_what_is_below_it():
    trust = Trust(overrides={"org": Policy.NONE})
    assert judge(PLAIN, trust=trust) == (Action.MARK, Reason.OVERRIDE)
    trust = Trust(overrides={"org": Policy.NONE, "example.org": Policy.REJECT})
    assert judge(PLAIN, trust=trust)[0] is Action.REJECT


def test_two_from_fields_are_refused_whoever_vouches():
    data = vouched(SAW_PASS, b"From: other@other.example\r\n" + PLAIN)
    assert judge(data, trust=TRUST)[0] is Action.REJECT


def test_all_results_are_written_under_our_id():
    parsed = message.parse(signed())
    verdict = asyncio.run(check.check(parsed, CLIENT, zone(), now=NOW))
    field = verdict.results("mx.proj.example").field()
    found = parse(message.parse(field).values[0])
    assert found.authserv_id == "mx.proj.example"
    assert [(method.method, method.result) for method in found.methods] == [
        ("spf", "none"),
        ("dkim", "pass"),
        ("dmarc", "pass"),
        ("arc", "none"),
    ]
    assert next(found.of("dkim")).get("header.d") == "example.org"
    assert next(found.of("dmarc")).get("header.from") == "example.org"


def test_hostile_names_do_not_break_the_field():
    client = check.Client(CLIENT.address, 'a;dmarc=pass\r\nX: "', 'x";dmarc=pass\r\n y@evil.example')
    verdict = asyncio.run(check.check(message.parse(PLAIN), client, zone(), now=NOW))
    field = verdict.results("mx.proj.example").field()
    parsed = message.parse(field)
    assert len(parsed.raws) == 1
    assert [method.result for method in parse(parsed.values[0]).of("dmarc")] == ["fail"]
