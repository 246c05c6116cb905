"""The records that an operator publishes for a domain, and why; and as a zone file (RFC 1035 §5.1)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.domains import Use, uses_of, verification_record
from core.models import DkimKey, Domain
from core.settings import Settings
from core.signing_keys import State, keys_of, our_name, record_needed_until, state_of

_LONGEST_STRING = 255  # octets, RFC 1035 §3.3


class What(StrEnum):
    """What a record is there for."""

    PROOF = "proof"
    EXCHANGER = "mx"
    SENDERS = "spf"
    KEY = "key"
    POLICY = "dmarc"
    NOTE = "note"
    """No record at all, but something to know."""


@dataclass(frozen=True)
class Expected:
    """A record that should be there."""

    what: What
    why: str
    name: str = ""
    rtype: str = ""
    value: str = ""
    """Of TXT the text, without quotes."""
    suggested: bool = False
    """Whether it may as well be missing, or be another one."""
    key: DkimKey | None = None

    @property
    def line(self) -> str:
        """The record as a line of a zone file."""
        value = quoted(self.value) if self.rtype == "TXT" else f"{self.value}."
        return f"{self.name}. IN {self.rtype} {value}"


def expected_records(name: str, settings: Settings, now: datetime) -> list[Expected]:
    """Return the records of a name of ours. name: in lower case and A-labels."""
    uses = uses_of(name, settings)
    relay = f"{name} has A and AAAA records of the relay's addresses, whose PTR records lead back to it."
    return [
        *([Expected(What.NOTE, relay)] if Use.RELAY in uses else []),
        *_proof(name, uses, settings),
        *_exchanger(name, uses, settings),
        *_spf(name, uses, settings),
        *_keys(name, now),
        *_dmarc(name, uses),
    ]


def zone_lines(name: str, settings: Settings, now: datetime) -> list[str]:
    """Return the records of a domain of ours, each with a comment before it that says why.

    name: as somebody typed it. A record that is only a suggestion is a comment itself. Raises
    KeyRefused when it is no domain of ours.
    """
    found = expected_records(our_name(name, settings), settings, now)
    return [line for record in found for line in _lines(record)]


def key_lines(key: DkimKey) -> list[str]:
    """Return the record of a signing key, whether DNS still needs it or not, after a comment."""
    return _lines(_key(key))


def quoted(text: str) -> str:
    """Write a text as a TXT record's value: strings of 255 octets at most. text: of ASCII characters."""
    escaped = [f"\\{char}" if char in '"\\' else char for char in text]
    parts = [escaped[start : start + _LONGEST_STRING] for start in range(0, len(escaped), _LONGEST_STRING)]
    return " ".join('"' + "".join(part) + '"' for part in parts)


def _lines(record: Expected) -> list[str]:
    if record.what is What.NOTE:
        return [f"; {record.why}"]
    return [f"; {record.why}", f"; {record.line}" if record.suggested else record.line]


def _proof(name: str, uses: set[Use], settings: Settings) -> list[Expected]:
    if Use.ADDRESSES not in uses:
        return []
    text = verification_record(Domain.get(Domain.name == name), settings.verification_prefix)
    return [Expected(What.PROOF, "Proves that the domain is yours; keep it.", name, "TXT", text)]


def _exchanger(name: str, uses: set[Use], settings: Settings) -> list[Expected]:
    if Use.ADDRESSES in uses:
        why = "Mail for the domain goes to the relay, and to no other server."
    elif Use.RETURN_PATHS in uses:
        why = "What comes back from other servers goes to the relay."
    else:
        return []
    return [Expected(What.EXCHANGER, why, name, "MX", f"10 {settings.relay_hostname}")]


def _spf(name: str, uses: set[Use], settings: Settings) -> list[Expected]:
    """Who may send with the name in an envelope sender or HELO (RFC 7208 §2.3, §2.4).

    All that the relay sends has an envelope sender of SRS_DOMAIN or a null one, for which its HELO
    name counts. The other domains stand in no envelope of ours.
    """
    if Use.RETURN_PATHS in uses:
        more = "Add a smarthost or a second relay before -all. A domain has one SPF record."
        why = f"What the relay sends has this domain in its envelope sender. {more}"
        return [Expected(What.SENDERS, why, name, "TXT", f"v=spf1 a:{settings.relay_hostname} -all")]
    if Use.RELAY in uses:
        why = "Bounces have no envelope sender: there this HELO name counts."
        return [Expected(What.SENDERS, why, name, "TXT", "v=spf1 a -all")]
    why = "Waypost puts this domain into no envelope sender. Only if nobody sends mail from it elsewhere:"
    return [Expected(What.SENDERS, why, name, "TXT", "v=spf1 -all", suggested=True)]


def _keys(name: str, now: datetime) -> list[Expected]:
    keys = keys_of(name)
    found = [_key(key) for key in keys if key.retired_at is None or record_needed_until(key) > now]
    if all(key.retired_at is not None for key in keys):
        why = f"{name} has no signing key of its own: `waypost keys create {name}` makes one."
        found.append(Expected(What.NOTE, why))
    return found


def _key(key: DkimKey) -> Expected:
    if state_of(key) is State.RETIRED:
        until = f"{record_needed_until(key):%Y-%m-%d}"
        why = f"A retired signing key: keep its record until {until}, for mail on its way."
    elif key.published_at is not None:
        why = f"The signing key that is in use since {key.published_at:%Y-%m-%d}."
    else:
        why = "A new signing key: mail is signed with it once DNS shows this record."
    return Expected(What.KEY, why, key.record_name, "TXT", key.record, key=key)


def _dmarc(name: str, uses: set[Use]) -> list[Expected]:
    """The policy for authors of the domain (RFC 7489 §6.3): only Waypost's own mail needs one."""
    where, text = f"_dmarc.{name}", "v=DMARC1; p=none"
    if Use.OWN_MAIL in uses:
        why = "Large providers want a policy for the From of automatic mail. Keep one that is there."
        return [Expected(What.POLICY, why, where, "TXT", text)]
    why = "A suggestion, unless a policy is there; a strict one only when all who send from it sign for it:"
    if uses == {Use.RETURN_PATHS}:
        why = "A suggestion: no mail has an author of this domain, so forgeries may be refused."
        text = "v=DMARC1; p=reject"
    return [Expected(What.POLICY, why, where, "TXT", text, suggested=True)]
