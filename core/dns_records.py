"""The records that an operator publishes for a domain, and why, as lines of a zone file (RFC 1035 §5.1)."""

from datetime import datetime

from core.domains import Use, uses_of, verification_record
from core.models import DkimKey, Domain
from core.settings import Settings
from core.signing_keys import keys_of, our_name, record_needed_until

_LONGEST_STRING = 255  # octets, RFC 1035 §3.3


def zone_lines(name: str, settings: Settings, now: datetime) -> list[str]:
    """Return the records of a domain of ours, each with a comment before it that says why.

    name: as somebody typed it. A record that is only a suggestion is a comment itself. Raises
    KeyRefused when it is no domain of ours.
    """
    name = our_name(name, settings)
    uses = uses_of(name, settings)
    relay = f"{name} has A and AAAA records of the relay's addresses, whose PTR records lead back to it."
    return [
        *([f"; {relay}"] if Use.RELAY in uses else []),
        *_proof(name, uses),
        *_exchanger(name, uses, settings),
        *_spf(name, uses, settings),
        *_keys(name, now),
        *_dmarc(name, uses),
    ]


def key_lines(key: DkimKey) -> list[str]:
    """Return the record of a signing key, whether DNS still needs it or not, after a comment."""
    if key.retired_at is not None:
        until = f"{record_needed_until(key):%Y-%m-%d}"
        why = f"A retired signing key: keep its record until {until}, for mail on its way."
    elif key.published_at is not None:
        why = f"The signing key that is in use since {key.published_at:%Y-%m-%d}."
    else:
        why = "A new signing key: mail is signed with it once DNS shows this record."
    return _txt(why, key.record_name, key.record)


def quoted(text: str) -> str:
    """Write a text as a TXT record's value: strings of 255 octets at most. text: of ASCII characters."""
    escaped = [f"\\{char}" if char in '"\\' else char for char in text]
    parts = [escaped[start : start + _LONGEST_STRING] for start in range(0, len(escaped), _LONGEST_STRING)]
    return " ".join('"' + "".join(part) + '"' for part in parts)


def _record(why: str, name: str, rtype: str, value: str) -> list[str]:
    return [f"; {why}", f"{name}. IN {rtype} {value}"]


def _txt(why: str, name: str, text: str) -> list[str]:
    return _record(why, name, "TXT", quoted(text))


def _suggested(why: str, name: str, text: str) -> list[str]:
    comment, line = _txt(why, name, text)
    return [comment, f"; {line}"]


def _proof(name: str, uses: set[Use]) -> list[str]:
    if Use.ADDRESSES not in uses:
        return []
    text = verification_record(Domain.get(Domain.name == name))
    return _txt("Proves that the domain is yours; keep it.", name, text)


def _exchanger(name: str, uses: set[Use], settings: Settings) -> list[str]:
    if Use.ADDRESSES in uses:
        why = "Mail for the domain goes to the relay, and to no other server."
    elif Use.RETURN_PATHS in uses:
        why = "What comes back from other servers goes to the relay."
    else:
        return []
    return _record(why, name, "MX", f"10 {settings.relay_hostname}.")


def _spf(name: str, uses: set[Use], settings: Settings) -> list[str]:
    """Who may send with the name in an envelope sender or HELO (RFC 7208 §2.3, §2.4).

    All that the relay sends has an envelope sender of SRS_DOMAIN or a null one, for which its HELO
    name counts. The other domains stand in no envelope of ours.
    """
    if Use.RETURN_PATHS in uses:
        more = "Add a smarthost or a second relay before -all. A domain has one SPF record."
        why = f"What the relay sends has this domain in its envelope sender. {more}"
        return _txt(why, name, f"v=spf1 a:{settings.relay_hostname} -all")
    if Use.RELAY in uses:
        return _txt("Bounces have no envelope sender: there this HELO name counts.", name, "v=spf1 a -all")
    why = "Waypost puts this domain into no envelope sender. Only if nobody sends mail from it elsewhere:"
    return _suggested(why, name, "v=spf1 -all")


def _keys(name: str, now: datetime) -> list[str]:
    keys = keys_of(name)
    shown = [key for key in keys if key.retired_at is None or record_needed_until(key) > now]
    lines = [line for key in shown for line in key_lines(key)]
    if all(key.retired_at is not None for key in keys):
        lines.append(f"; {name} has no signing key of its own: `waypost keys create {name}` makes one.")
    return lines


def _dmarc(name: str, uses: set[Use]) -> list[str]:
    """The policy for authors of the domain (RFC 7489 §6.3): only Waypost's own mail needs one."""
    where = f"_dmarc.{name}"
    if Use.OWN_MAIL in uses:
        why = "Large providers want a policy for the From of automatic mail. Keep one that is there."
        return _txt(why, where, "v=DMARC1; p=none")
    if uses == {Use.RETURN_PATHS}:
        why = "A suggestion: no mail has an author of this domain, so forgeries may be refused."
        return _suggested(why, where, "v=DMARC1; p=reject")
    why = "A suggestion, unless a policy is there; a strict one only when all who send from it sign for it:"
    return _suggested(why, where, "v=DMARC1; p=none")
