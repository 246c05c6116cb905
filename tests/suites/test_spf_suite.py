"""The RFC 7208 test suite of the openspf project, all scenarios, without exceptions."""

import asyncio
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from mailauth import spf
from mailauth.resolver import Mx
from tests.mailauth.zone import Zone
from tests.suites.folder import cases

DEFAULT = "DEFAULT"
"""What the suite writes for "no explanation of the domain's own"."""


def records_of(zone):
    """The suite's zone: SPF stands for TXT unless the name has TXT records of its own."""
    records = {}
    for name, entries in zone.items():
        kinds = {kind for entry in entries if isinstance(entry, dict) for kind in entry}
        pairs = records.setdefault(str(name), [])
        for entry in entries:
            if entry == "TIMEOUT":
                pairs.append(("TIMEOUT", None))
                continue
            ((kind, value),) = entry.items()
            if kind == "SPF":
                if "TXT" in kinds:
                    continue
                kind = "TXT"
            pairs.append((kind, None if value == "NONE" else convert(kind, value)))
    return records


def convert(kind, value):
    match kind:
        case "TXT":
            return "".join([value] if isinstance(value, str) else value).encode("latin-1")
        case "A":
            return IPv4Address(value)
        case "AAAA":
            return IPv6Address(value)
        case "MX":
            return Mx(value[0], value[1].lower())
        case "PTR":
            return value.lower().removesuffix(".")
        case _:
            return value


@pytest.mark.parametrize(("scenario", "name"), cases("spf/rfc7208-tests.yml"))
def test_spf(scenario, name):
    test = scenario["tests"][name]
    zone = Zone(records_of(scenario["zonedata"]))
    result = asyncio.run(
        spf.check(
            ip_address(test["host"]),
            test["helo"],
            test["mailfrom"],
            zone,
            receiver="rx.example",
            explain=True,
        )
    )
    wanted = test["result"] if isinstance(test["result"], list) else [test["result"]]
    assert result.status.value in wanted, result
    if "explanation" in test:
        assert (result.explanation or DEFAULT) == test["explanation"]
