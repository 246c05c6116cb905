"""ARC chains: what field reports brought, sealing on top, and how long it takes."""

import asyncio
import re

import dkim as dkimpy
import pytest

from mailauth import arc, message
from mailauth.arc import Problem, Status
from mailauth.results import Method, Results
from tests.mailauth.mails import NOW, PLAIN, key, published, signed
from tests.mailauth.zone import Zone

OURS = Results("mx.proj.example", (Method("dmarc", "pass", properties=(("header.from", "example.org"),)),))
SEALER = key("rsa1024", "sealer.example", "arc")
ZONE = published(SEALER, key())


def validate(data, zone=ZONE):
    return asyncio.run(arc.validate(message.parse(data), zone, NOW))


def sealed(data=PLAIN, times=1, using=SEALER, zone=ZONE, **options):
    for _ in range(times):
        parsed = message.parse(data)
        chain = asyncio.run(arc.validate(parsed, zone, NOW))
        made = arc.seal(parsed, chain, OURS, using, NOW, **options)
        assert made is not None, chain
        data = made + data
    return data


def their_verdict(data, zone=ZONE):
    verdict, _, _ = dkimpy.arc_verify(
        data, dnsfunc=lambda name, timeout=5: dict(zone.records[name.decode().removesuffix(".")]).get("TXT")
    )
    return verdict


def fields(data):
    return [name for name in message.parse(data).names if name.startswith(b"arc-")]


@pytest.mark.parametrize("times", [1, 2, 5])
def test_our_chains_validate_by_both_judges(times):
    data = sealed(signed(), times)
    chain = validate(data)
    assert (chain.status, len(chain.sets), chain.next) == (Status.PASS, times, times + 1)
    assert chain.sets[-1].domain == "sealer.example"
    assert chain.sets[-1].results == OURS
    assert their_verdict(data) == b"pass"


def test_an_ed25519_key_seals_too():
    using = key("ed25519", "sealer.example", "ed")
    zone = published(using)
    assert validate(sealed(using=using, zone=zone), zone).status is Status.PASS


def test_no_chain_is_none_and_starts_with_one():
    chain = validate(PLAIN)
    assert (chain.status, chain.next) == (Status.NONE, 1)


def test_a_full_chain_validates_and_gets_nothing_more():
    data = sealed(times=50)
    chain = validate(data)
    assert (chain.status, len(chain.sets), chain.next) == (Status.PASS, 50, None)
    assert arc.seal(message.parse(data), chain, OURS, SEALER, NOW) is None


def replaced(data, instance, old, new):
    """Change all ARC fields of one instance."""
    raws = message.parse(data).raws
    mine = [re.search(rb"\bi=%d;" % instance, raw) and raw.lower().startswith(b"arc-") for raw in raws]
    changed = [re.sub(old, new, raw) if own else raw for raw, own in zip(raws, mine, strict=True)]
    return b"\r\n".join(changed) + b"\r\n\r\n" + data.partition(b"\r\n\r\n")[2]


TWO = sealed(signed(), 2)
BROKEN = {
    "a gap": (replaced(TWO, 2, rb"\bi=2;", b"i=3;"), Problem.INCOMPLETE),
    "a doubled seal": (
        TWO.replace(b"ARC-Seal:", b"ARC-Seal: i=1; cv=none\r\nARC-Seal:", 1),
        Problem.INCOMPLETE,
    ),
    "a leading zero": (replaced(TWO, 2, rb"\bi=2;", b"i=02;"), Problem.INSTANCE),
    "zero": (replaced(TWO, 2, rb"\bi=2;", b"i=0;"), Problem.INSTANCE),
    "no number": (replaced(TWO, 2, rb"\bi=2;", b"i=abc;"), Problem.INSTANCE),
    "fifty-one": (replaced(TWO, 2, rb"\bi=2;", b"i=51;"), Problem.INSTANCE),
    "a huge number": (replaced(TWO, 2, rb"\bi=2;", b"i=2147483648;"), Problem.INSTANCE),
    "none at two": (replaced(TWO, 2, rb"cv=pass", b"cv=none"), Problem.STATES),
    "only a message signature": (
        b"ARC-Message-Signature: i=1; a=rsa-sha256\r\n" + PLAIN,
        Problem.INCOMPLETE,
    ),
    "a sha1 seal": (replaced(TWO, 2, rb"a=rsa-sha256", b"a=rsa-sha1"), Problem.SEAL),
    "no From in h=": (replaced(TWO, 2, rb"h=from:from:", b"h="), Problem.MESSAGE_SIGNATURE),
    "another body": (TWO + b"more\r\n", Problem.MESSAGE_SIGNATURE),
    "another result": (replaced(TWO, 1, rb"dmarc=pass", b"dmarc=fail"), Problem.SEAL_MISMATCH),
    "an unreadable seal": (replaced(TWO, 2, rb"cv=pass", b"cv=pass; cv=pass"), Problem.INSTANCE),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_chain_fails_and_is_sealed_as_failed_or_not_at_all(name):
    data, problem = BROKEN[name]
    chain = validate(data)
    assert (chain.status, chain.problem) == (Status.FAIL, problem)
    made = arc.seal(message.parse(data), chain, OURS, SEALER, NOW)
    if problem is Problem.INSTANCE:
        assert made is None
    else:
        assert b"cv=fail" in made
        assert f"i={chain.next};".encode() in made
        after = validate(made + data)
        assert (after.status, after.next) == (Status.FAIL, None)


def test_a_failed_seal_covers_itself_alone():
    data = TWO + b"more\r\n"
    made = arc.seal(message.parse(data), validate(data), OURS, SEALER, NOW)
    alone = replaced(made + PLAIN, 3, rb"cv=fail", b"cv=fail")
    parsed = message.parse(alone)
    seal = arc._read_seal(parsed, 0)
    from hashlib import sha256

    from mailauth.canonical import Canon
    from mailauth.keys import read_record
    from mailauth.signature import bare

    covered = parsed.relaxed(2) + b"\r\n" + parsed.relaxed(1) + b"\r\n" + bare(parsed.raws[0], Canon.RELAXED)
    assert read_record(SEALER.record.encode()).verifies(seal.value, sha256(covered).digest())


def test_nothing_is_added_to_a_chain_that_has_ended():
    data = replaced(TWO, 2, rb"cv=pass", b"cv=fail")
    chain = validate(data)
    assert (chain.status, chain.problem, chain.next) == (Status.FAIL, Problem.ENDED, None)


def test_an_older_message_signature_may_break():
    changed = sealed(signed(sealed()).replace(b"Good  morning", b"[list] Good morning"), 0)
    chain = validate(changed)
    assert chain.problem is Problem.MESSAGE_SIGNATURE
    # A list that changes the subject seals what it made, with the first signature broken.
    first = message.parse(sealed())
    state = validate(sealed())
    altered = message.parse(sealed().replace(b"Good  morning", b"[list] Good morning"))
    made = arc.seal(altered, state, OURS, SEALER, NOW)
    after = made + altered.header() + bytes(first.body.octets)
    assert validate(after).status is Status.PASS
    assert their_verdict(after) == b"pass"


def test_a_key_not_available_now_is_temporary_and_nothing_is_added():
    zone = Zone({SEALER.record_name: [("TIMEOUT", None)]})
    chain = validate(TWO, zone)
    assert (chain.status, chain.next) == (Status.TEMPERROR, None)
    assert validate(TWO, Zone({})).problem is Problem.KEY


def test_removing_fields_that_claim_our_id_keeps_the_chain():
    data = b"Authentication-Results: mx.proj.example; dmarc=pass\r\n" + TWO
    parsed = message.parse(data)
    chain = validate(data)
    kept = parsed.without([0])
    made = arc.seal(kept, chain, OURS, SEALER, NOW)
    after = made + kept.header() + bytes(kept.body.octets)
    assert b"Authentication-Results: mx" not in after.replace(b"ARC-Authentication-Results", b"")
    assert validate(after).status is Status.PASS


def test_several_domains_seal_one_message_each_for_itself():
    parsed = message.parse(PLAIN)
    chain = validate(PLAIN)
    for domain in ("one.example", "two.example"):
        using = key("rsa1024", domain, "arc")
        made = arc.seal(parsed, chain, OURS, using, NOW)
        found = validate(made + PLAIN, published(using))
        assert (found.status, found.sets[0].domain) == (Status.PASS, domain)
