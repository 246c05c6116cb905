"""What DNS shows for a domain beside what it should show, in words. Pure: answers in, findings out."""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.dns_asking import UNKNOWN, Outcome, Reply, reverse_name
from core.dns_records import Expected, What
from core.signing_keys import State, is_shown, state_of
from core.translation import N_

Answers = Mapping[tuple[str, str], Reply]
"""By name and type of record."""


class Level(StrEnum):
    """How bad it is, the worst first."""

    ERROR = "error"
    """Mail is lost or refused, or the domain gives out no names."""
    WARNING = "warning"
    """It works, or may work; somebody should look."""
    RIGHT = "right"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    """Which kind of thing: a `What`, or `addresses`, `ptr` or `servers`."""
    level: Level
    name: str
    rtype: str
    text: str
    """A sentence, to be translated, with the places of `values` in it."""
    values: Mapping[str, str] = field(default_factory=dict)
    expected: Expected | None = None
    found: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The sentence in English."""
        return self.text % self.values


@dataclass(frozen=True)
class Site:
    """What the settings say that matters here."""

    relay: str
    """RELAY_HOSTNAME."""
    prefix: str
    """VERIFICATION_PREFIX."""
    has_upstreams: bool
    """Whether servers of one's own stand before the relay (TRUSTED_UPSTREAMS)."""
    has_smarthost: bool
    """Whether another server sends what the relay hands on."""


UNCLEAR = N_("DNS gave no clear answer about this now. Try again in a minute.")


def findings(expected: list[Expected], site: Site, answers: Answers) -> list[Finding]:
    """Compare what is expected of some names, and of the relay's addresses, with what DNS answered.

    A question without an answer counts as one that DNS did not answer.
    """
    found: list[Finding] = []
    for record in expected:
        if record.what is not What.NOTE:
            found.append(_of_record(record, site, answers))
    return [*found, *_of_addresses(site, answers), *_of_servers(answers)]


def _of_record(record: Expected, site: Site, answers: Answers) -> Finding:
    reply = answers.get((record.name, record.rtype), UNKNOWN)
    if record.what is What.PROOF:
        return _of_proof(record, site, answers)
    if reply.outcome is Outcome.UNKNOWN:
        return _finding(record, Level.WARNING, UNCLEAR, reply.values)
    judge = {
        What.EXCHANGER: _of_exchanger,
        What.SENDERS: _of_senders,
        What.KEY: _of_key,
        What.POLICY: _of_policy,
    }[record.what]
    return judge(record, site, reply, answers)


def _finding(
    record: Expected, level: Level, text: str, found: tuple[str, ...] = (), **values: str
) -> Finding:
    return Finding(record.what, level, record.name, record.rtype, text, values, record, found)


def _of_proof(record: Expected, site: Site, answers: Answers) -> Finding:
    replies = [answers.get((name, "TXT"), UNKNOWN) for name in (record.name, f"_waypost.{record.name}")]
    texts = tuple(text for reply in replies for text in reply.values if text.startswith(site.prefix))
    if record.value in texts:
        return _finding(record, Level.RIGHT, N_("The domain is proven."), texts)
    if any(reply.outcome is Outcome.UNKNOWN for reply in replies):
        return _finding(record, Level.WARNING, UNCLEAR, texts)
    if texts:
        return _finding(
            record, Level.ERROR, N_("There is a record of this kind, but not this one. Add it."), texts
        )
    return _finding(record, Level.ERROR, N_("The record that proves the domain is not there."), texts)


def _of_exchanger(record: Expected, site: Site, reply: Reply, _answers: Answers) -> Finding:
    hosts = [value.partition(" ")[2] for value in reply.values]
    if not hosts:
        text = N_("There is no MX record, so mail does not find the relay.")
        return _finding(record, Level.ERROR, text, reply.values)
    if "" in hosts:
        text = N_("The domain says that it takes no mail at all (a null MX).")
        return _finding(record, Level.ERROR, text, reply.values)
    if set(hosts) == {site.relay}:
        return _finding(record, Level.RIGHT, N_("Mail goes to the relay."), reply.values)
    if site.has_upstreams or site.relay in hosts:
        text = N_(
            "Mail goes to another server too. That is right only if that server hands it on to the relay."
        )
        return _finding(record, Level.WARNING, text, reply.values)
    text = N_("Mail goes to another server, and not to the relay.")
    return _finding(record, Level.ERROR, text, reply.values)


def _of_senders(record: Expected, site: Site, reply: Reply, answers: Answers) -> Finding:
    records = tuple(text for text in reply.values if _is_spf(text))
    if len(records) > 1:
        text = N_("There are several SPF records, so all of them fail (RFC 7208). Leave one.")
        return _finding(record, Level.ERROR, text, records)
    if record.suggested:
        text = N_(
            "No mail of Waypost's has this domain in its envelope, so any SPF record, or none, is right."
        )
        return _finding(record, Level.RIGHT, text, records)
    if not records:
        text = N_("There is no SPF record: large providers refuse mail from such a domain.")
        return _finding(record, Level.ERROR, text, records)
    terms = records[0].lower().split()[1:]
    if "+all" in terms or "all" in terms:
        text = N_("This SPF record lets everybody send in the domain's name.")
        return _finding(record, Level.WARNING, text, records)
    if records[0].lower() == record.value.lower() or _lets_relay_send(terms, record, site, answers):
        return _finding(record, Level.RIGHT, N_("The relay may send for this domain."), records)
    if any(term.lstrip("+").startswith(("include:", "redirect=", "exists:")) for term in terms):
        text = N_("This record leads to others. See that one of them lets the relay's addresses send.")
        return _finding(record, Level.WARNING, text, records)
    if site.has_smarthost:
        text = N_("See that this record lets the smarthost send, which sends for the relay.")
        return _finding(record, Level.WARNING, text, records)
    text = N_("This SPF record does not let the relay send, so other servers may refuse its mail.")
    return _finding(record, Level.ERROR, text, records)


def _is_spf(text: str) -> bool:
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def _lets_relay_send(terms: list[str], record: Expected, site: Site, answers: Answers) -> bool:
    """Whether a term names the relay, or all its addresses. What needs more look-ups counts as no."""
    plain = [term.removeprefix("+") for term in terms]
    itself = record.name == site.relay and "a" in plain
    if itself or f"a:{site.relay}" in plain:
        return True
    networks = [term.partition(":")[2] for term in plain if term.startswith(("ip4:", "ip6:"))]
    addresses = _addresses(site, answers)
    return bool(addresses) and all(
        any(_is_within(address, network) for network in networks) for address in addresses
    )


def _is_within(address: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _of_key(record: Expected, _site: Site, reply: Reply, _answers: Answers) -> Finding:
    assert record.key is not None  # for the type: `core.dns_records` makes it so
    if is_shown(record.key, [text.encode() for text in reply.values]):
        text = N_("The key with which mail is signed (DKIM) and sealed (ARC) is there.")
        return _finding(record, Level.RIGHT, text, reply.values)
    state = state_of(record.key)
    if state is State.IN_USE:
        text = N_("The record of the key in use is not there, so signatures and seals count for nothing.")
        return _finding(record, Level.ERROR, text, reply.values)
    if state is State.WAITING:
        text = N_("This key waits: it comes into use when its record is there.")
        return _finding(record, Level.WARNING, text, reply.values)
    text = N_(
        "The record of this retired key is gone. Mail that is still on its way with it cannot be checked."
    )
    return _finding(record, Level.WARNING, text, reply.values)


def _of_policy(record: Expected, _site: Site, reply: Reply, _answers: Answers) -> Finding:
    records = tuple(text for text in reply.values if _tags(text).get("v") == "DMARC1")
    policy = _tags(records[0]).get("p", "").lower() if records else ""
    if len(records) > 1:
        text = N_("There are several DMARC records, so none counts (RFC 7489). Leave one.")
        return _finding(record, Level.ERROR, text, records)
    if not records:
        if record.suggested:
            text = N_("There is no DMARC policy here. That is right; one would be better.")
            return _finding(record, Level.RIGHT, text, records)
        text = N_("There is no DMARC policy. Large providers want one of who sends automatic mail.")
        return _finding(record, Level.WARNING, text, records)
    if policy not in ("none", "quarantine", "reject"):
        text = N_("This DMARC record has no policy that is one: none, quarantine or reject.")
        return _finding(record, Level.ERROR, text, records)
    if policy == "none":
        return _finding(record, Level.RIGHT, N_("There is a DMARC policy."), records)
    text = N_("There is a DMARC policy that asks to refuse: who sends as this domain must sign for it.")
    return _finding(record, Level.RIGHT, text, records)


def _tags(text: str) -> dict[str, str]:
    parts = [part.partition("=") for part in text.split(";")]
    return {name.strip(): value.strip() for name, _, value in parts if value}


def _addresses(site: Site, answers: Answers) -> list[str]:
    return [value for kind in ("A", "AAAA") for value in answers.get((site.relay, kind), UNKNOWN).values]


def _of_addresses(site: Site, answers: Answers) -> Iterator[Finding]:
    """Look at the relay's own addresses and where they lead back to (forward-confirmed reverse DNS)."""
    v4, v6 = (answers.get((site.relay, kind), UNKNOWN) for kind in ("A", "AAAA"))
    for kind, reply in (("A", v4), ("AAAA", v6)):
        if reply.outcome is Outcome.UNKNOWN:
            yield Finding("addresses", Level.WARNING, site.relay, kind, UNCLEAR)
    if v4.outcome is v6.outcome is Outcome.ABSENT:
        text = N_("The relay's name has no address, so mail cannot reach it.")
        yield Finding("addresses", Level.ERROR, site.relay, "A", text)
        return
    if v4.outcome is Outcome.FOUND:
        text = N_("The relay is reached by IPv4.")
        yield Finding("addresses", Level.RIGHT, site.relay, "A", text, found=v4.values)
    elif v4.outcome is Outcome.ABSENT:
        text = N_("The relay has no IPv4 address: most servers cannot reach it.")
        yield Finding("addresses", Level.ERROR, site.relay, "A", text)
    if v6.outcome is Outcome.FOUND:
        text = N_("The relay is reached by IPv6.")
        yield Finding("addresses", Level.RIGHT, site.relay, "AAAA", text, found=v6.values)
    elif v6.outcome is Outcome.ABSENT:
        text = N_("The relay has no IPv6 address: servers that speak IPv6 only cannot reach it.")
        yield Finding("addresses", Level.WARNING, site.relay, "AAAA", text)
    for address in _addresses(site, answers):
        yield _of_reverse(address, site, answers)


def _of_reverse(address: str, site: Site, answers: Answers) -> Finding:
    name, bad = reverse_name(address), Level.WARNING if site.has_smarthost else Level.ERROR
    reply = answers.get((name, "PTR"), UNKNOWN)
    if not ipaddress.ip_address(address).is_global:
        text = N_("%(address)s is no public address, so servers elsewhere cannot reach the relay there.")
        return _back(Level.WARNING, name, text, reply, address=address)
    if reply.outcome is Outcome.UNKNOWN:
        return _back(Level.WARNING, name, UNCLEAR, reply)
    if reply.outcome is Outcome.ABSENT:
        text = N_("%(address)s has no PTR record: many servers refuse mail from such an address.")
        return _back(bad, name, text, reply, address=address)
    kind = "AAAA" if ":" in address else "A"
    forward = {host: answers.get((host, kind), UNKNOWN) for host in reply.values}
    confirmed = [host for host, answer in forward.items() if address in answer.values]
    if site.relay in confirmed:
        text = N_("%(address)s leads to the relay's name, and that leads back.")
        return _back(Level.RIGHT, name, text, reply, address=address)
    if confirmed:
        text = N_("%(address)s leads to %(host)s and back, but the relay greets as %(relay)s.")
        return _back(Level.WARNING, name, text, reply, address=address, host=confirmed[0], relay=site.relay)
    if any(answer.outcome is Outcome.UNKNOWN for answer in forward.values()):
        return _back(Level.WARNING, name, UNCLEAR, reply)
    text = N_("%(address)s leads to a name that does not lead back: many servers refuse mail from there.")
    return _back(bad, name, text, reply, address=address)


def _back(level: Level, name: str, text: str, reply: Reply, **values: str) -> Finding:
    return Finding("ptr", level, name, "PTR", text, values, found=reply.values)


def _of_servers(answers: Answers) -> Iterator[Finding]:
    silent = sorted({host for reply in answers.values() for host in reply.silent})
    if silent:
        text = N_("These name servers are named for the domain, but gave no answer of their own.")
        yield Finding("servers", Level.WARNING, "", "NS", text, found=tuple(silent))
