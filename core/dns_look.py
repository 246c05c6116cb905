"""Asks DNS all that the report on a domain needs, at once, and makes the report."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from core.dns_asking import Asker, Reply, reverse_name
from core.dns_records import Expected, What, expected_records
from core.dns_report import Finding, Level, Site, findings
from core.domain_proof import asker_of, places
from core.settings import Settings

Question = tuple[str, str]
MOST = 8
"""So many addresses of the relay are followed back to their names."""


@dataclass(frozen=True)
class Report:
    """What DNS shows for a domain of ours."""

    findings: tuple[Finding, ...]
    looked_at: datetime
    fresh: bool
    """Whether every cache was gone round."""

    def count(self, level: Level) -> int:
        """Return how many findings are of a level."""
        return sum(finding.level == level for finding in self.findings)


def report_on(name: str, settings: Settings, now: datetime, *, fresh: bool = False) -> Report:
    """Look at a domain and at what mail for it needs beside: the domain of return paths, the relay's name.

    name: of ours, in lower case and A-labels. fresh: ask the names' own servers. Where no event loop runs.
    """
    names = dict.fromkeys((name, settings.srs_domain, settings.relay_hostname))
    expected = [record for each in names for record in expected_records(each, settings, now)]
    wanted = [record for record in expected if record.name and _matters(record, name)]
    site = Site(
        settings.relay_hostname,
        settings.verification_prefix,
        bool(settings.trusted_upstreams),
        settings.smarthost is not None,
    )
    answers = asyncio.run(gather(wanted, site.relay, asker_of(settings), fresh=fresh))
    return Report(tuple(findings(wanted, site, answers)), now, fresh)


def _matters(record: Expected, name: str) -> bool:
    """Leave out what is only a suggestion for another name than the one that was asked about."""
    own = record.name == name or record.name.endswith(f".{name}")
    return own or not record.suggested


async def gather(
    expected: Iterable[Expected], relay: str, asker: Asker, *, fresh: bool
) -> dict[Question, Reply]:
    """Ask for what is expected, and for the relay's addresses, their names, and the addresses of those."""
    first = {(record.name, record.rtype) for record in expected} | {(relay, "A"), (relay, "AAAA")}
    first |= {(places(record.name)[1], "TXT") for record in expected if record.what is What.PROOF}
    answers = await _ask_all(first, asker, fresh)
    addresses = [value for kind in ("A", "AAAA") for value in answers[relay, kind].values][:MOST]
    answers |= await _ask_all({(reverse_name(address), "PTR") for address in addresses}, asker, fresh)
    kinds = {"AAAA" if ":" in address else "A" for address in addresses}
    hosts = {host for (_, kind), reply in answers.items() if kind == "PTR" for host in reply.values[:MOST]}
    forward = {(host, kind) for host in hosts for kind in kinds} - answers.keys()
    return answers | await _ask_all(forward, asker, fresh)


async def _ask_all(questions: set[Question], asker: Asker, fresh: bool) -> dict[Question, Reply]:
    ask, order = asker.ask_fresh if fresh else asker.ask, sorted(questions)
    replies = await asyncio.gather(*(ask(*question) for question in order))
    return dict(zip(order, replies, strict=True))
