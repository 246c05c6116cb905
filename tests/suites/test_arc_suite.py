"""The ARC test suite of dmarc.org (draft-ietf-dmarc-arc-protocol), validation and signing.

Where RFC 8617 decides otherwise than the draft, DIFFERENT names the sections.
"""

import asyncio

import pytest

from mailauth import arc, message, results, tags
from mailauth.canonical import Canon
from mailauth.keys import SigningKey
from tests.mailauth.zone import Zone
from tests.suites.folder import cases

NOW = 1_800_000_000

DIFFERENT = {
    "ams_fields_h_empty": (
        "Fail",
        "RFC 8617 section 4.1.2 gives the tag the syntax of RFC 6376 section 3.5, where it is not empty, "
        "and section 5.4 there: From MUST be signed",
    ),
    "ams_fields_c_na": (
        "Fail",
        "RFC 8617 section 4.1.2 gives the tag the meaning of RFC 6376 section 3.5, where simple/simple is "
        "the default; the draft's was relaxed/relaxed",
    ),
}
"""Test → what the RFC says, and where."""

EMPTY_MEANS = "Fail"
"""The suite leaves the state open for chains that ended in cv=fail; RFC 8617 section 5.2 step 2: fail."""


def octets(text):
    return text.encode().replace(b"\n", b"\r\n")


def zone(scenario):
    texts = scenario.get("txt-records") or {}
    return Zone({name: [("TXT", text.strip().replace("\n", "").encode())] for name, text in texts.items()})


@pytest.mark.parametrize(("scenario", "name"), cases("arc/arc-draft-validation-tests.yml"))
def test_validation(scenario, name):
    test = scenario["tests"][name]
    found = message.parse(octets(test["message"]))
    chain = asyncio.run(arc.validate(found, zone(scenario), NOW))
    wanted = DIFFERENT.get(name, (test["cv"].strip() or EMPTY_MEANS,))[0]
    assert chain.status.value == wanted.lower(), chain


@pytest.mark.parametrize(("scenario", "name"), cases("arc/arc-draft-sign-tests.yml"))
def test_signing(scenario, name):
    test = scenario["tests"][name]
    found = message.parse(octets(test["message"]))
    chain = asyncio.run(arc.validate(found, zone(scenario), NOW))
    own = [results.parse(found.values[at]) for at in results.claiming(found, {test["srv-id"]})]
    key = SigningKey.from_pem(scenario["privatekey"].encode(), scenario["domain"], scenario["sel"])
    sealed = arc.seal(
        found,
        chain,
        results.merged(test["srv-id"], own),
        key,
        test["t"],
        names=test["sig-headers"].encode().split(b":"),
        canon=(Canon.RELAXED, Canon.RELAXED),
        width=1000,  # the suite's seals cover message signatures that were not folded yet
    )
    if not test["AS"].strip():
        assert sealed is None
        return
    made = message.parse(sealed)
    assert made.names[:3] == [arc.SEAL, arc.SIGNATURE, arc.RESULTS]
    # The values of b= are equal too: what was signed is equal octet for octet.
    assert compact(made.values[0]) == compact(test["AS"].encode())
    assert compact(made.values[1]) == compact(test["AMS"].encode())
    assert made.values[2].split() == test["AAR"].encode().split()


def compact(value):
    return {name: tags.compact(text) for name, text in tags.parse(value).items()}
