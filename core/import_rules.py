"""What becomes of each line of a list of old addresses. Nothing here is written."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from peewee import JOIN, chunked

from core.addresses import Address, AddressError, parse_address
from core.import_file import Line, shown
from core.models import Alias, AliasRecipient, Domain, Recipient, Reservation, ReservedName
from core.recipients import MAX_RECIPIENTS
from core.reserved import is_reserved
from core.translation import N_, Told

AT_ONCE = 500
"""So many names are looked for with one statement."""
_LOCAL_PART = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{1,99}")


class Fate(StrEnum):
    """What becomes of a line."""

    NEW = "new"
    RESERVED = "reserved"
    UNREADABLE = "unreadable"
    BAD_ADDRESS = "bad-address"
    NOT_OURS = "not-ours"
    BAD_LOCAL_PART = "bad-local-part"
    KEPT_BACK = "kept-back"
    NO_RECIPIENT = "no-recipient"
    BAD_RECIPIENT = "bad-recipient"
    LOOP = "loop"
    TOO_MANY = "too-many"
    BAD_NAME = "bad-name"
    TWICE = "twice"
    TAKEN = "taken"
    DIFFERS = "differs"


SENTENCES: Mapping[Fate, str] = {
    Fate.NEW: N_("It will be kept for its owner, and its mail will flow."),
    Fate.RESERVED: N_("It is kept for its owner, and its mail flows."),
    Fate.UNREADABLE: N_("The line cannot be read: %(detail)s"),
    Fate.BAD_ADDRESS: N_("The address cannot be one: %(detail)s"),
    Fate.NOT_OURS: N_("%(detail)s is no domain of this installation. Add it first."),
    Fate.BAD_LOCAL_PART: N_("Before the @ there may be letters, digits, and dots, - or _ between them."),
    Fate.KEPT_BACK: N_("This name is kept for the project."),
    Fate.NO_RECIPIENT: N_("It has no recipient."),
    Fate.BAD_RECIPIENT: "%(detail)s",
    Fate.LOOP: N_(
        "Recipient %(detail)s is an address of the project itself: mail would run in a circle. "
        "Write where that one leads to."
    ),
    Fate.TOO_MANY: N_("It has more than %(most)s recipients."),
    Fate.BAD_NAME: N_("This cannot be a Launchpad name. Correct it, or leave the cell empty."),
    Fate.TWICE: N_("Line %(detail)s has this address already; that one counts."),
    Fate.TAKEN: N_("Somebody has this address here already, or had it. It stays as it is."),
    Fate.DIFFERS: N_("It is kept already, with other recipients or another name. It stays as it is."),
}
"""What is said of a line, to be translated; `detail` belongs to it."""

GOOD = frozenset({Fate.NEW, Fate.RESERVED})


@dataclass(frozen=True, slots=True)
class Verdict:
    """A line and what becomes of it; the rest is there when the line can be used."""

    number: int
    address: str
    fate: Fate
    detail: str | Told = ""
    domain_id: int = 0
    local_part: str = ""
    recipients: tuple[Address, ...] = ()
    name: str = ""

    @property
    def words(self) -> str:
        """The sentence on it, in English."""
        return str(sentence_on(self.fate, self.detail))


def sentence_on(fate: Fate, detail: str | Told) -> Told:
    """Return what is said of a line."""
    return Told(SENTENCES[fate], detail=detail, most=MAX_RECIPIENTS)


def judge(lines: Iterable[Line]) -> list[Verdict]:
    """Say what becomes of each line, with what is in the database now."""
    domains = {row.name: row for row in Domain.select().where(Domain.removed_at.is_null())}
    kept = {(row.domain_id, row.local_part) for row in ReservedName.select()}
    return judge_names(list(_without_doubles(_check(line, domains, kept) for line in lines)))


def judge_names(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Look for each name that can be used whether it is somebody's, or kept already."""
    found: list[Verdict] = []
    for some in chunked(verdicts, AT_ONCE):
        there = _aliases_of([one for one in some if one.fate in GOOD])
        found += [
            _beside(one, there.get((one.domain_id, one.local_part))) if one.fate in GOOD else one
            for one in some
        ]
    return found


def _check(line: Line, domains: Mapping[str, Domain], kept: set[tuple[int | None, str]]) -> Verdict:
    """Judge a line by itself."""
    if line.broken:
        return Verdict(line.number, shown(line.address), Fate.UNREADABLE, line.broken)
    try:
        address = parse_address(line.address)
    except AddressError as error:
        return Verdict(line.number, shown(line.address), Fate.BAD_ADDRESS, error)
    seen = Verdict(line.number, shown(address.text), Fate.NEW)
    domain = domains.get(address.domain)
    if domain is None:
        return replace(seen, fate=Fate.NOT_OURS, detail=shown(address.domain))
    local_part = address.local_part.lower()
    if not _LOCAL_PART.fullmatch(local_part):
        return replace(seen, fate=Fate.BAD_LOCAL_PART)
    if is_reserved(local_part) or (domain.id, local_part) in kept or (None, local_part) in kept:
        return replace(seen, fate=Fate.KEPT_BACK)
    if line.name and not _NAME.fullmatch(line.name):
        return replace(seen, fate=Fate.BAD_NAME)
    seen = replace(seen, domain_id=domain.id, local_part=local_part, name=line.name)
    return _check_recipients(seen, line.recipients, domains)


def _check_recipients(seen: Verdict, texts: Sequence[str], domains: Mapping[str, Domain]) -> Verdict:
    """Judge where a line's mail shall go; the same place twice is one."""
    found: dict[str, Address] = {}
    for place, text in enumerate(texts, 1):
        try:
            recipient = parse_address(text)
        except AddressError as error:
            why = Told(N_("Recipient %(place)s: %(why)s"), place=place, why=error)
            return replace(seen, fate=Fate.BAD_RECIPIENT, detail=why)
        if recipient.domain in domains:
            return replace(seen, fate=Fate.LOOP, detail=str(place))
        found.setdefault(recipient.key, recipient)
    if not found:
        return replace(seen, fate=Fate.NO_RECIPIENT)
    if len(found) > MAX_RECIPIENTS:
        return replace(seen, fate=Fate.TOO_MANY)
    return replace(seen, recipients=tuple(found.values()))


def _without_doubles(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """Let the first usable line of each address count."""
    first: dict[tuple[int, str], int] = {}
    for one in verdicts:
        key = (one.domain_id, one.local_part)
        if one.fate is not Fate.NEW or key not in first:
            if one.fate is Fate.NEW:
                first[key] = one.number
            yield one
        else:
            yield replace(one, fate=Fate.TWICE, detail=str(first[key]))


@dataclass(frozen=True, slots=True)
class _There:
    """What is there under a name: None as the Launchpad name when it is not waiting for anybody."""

    name: str | None
    recipients: tuple[str, ...]


def _aliases_of(verdicts: Sequence[Verdict]) -> dict[tuple[int, str], _There]:
    if not verdicts:
        return {}
    query: Any = (
        Alias.select(Alias.domain, Alias.local_part, Reservation.launchpad_name, Recipient.address_key)
        .join(Reservation, JOIN.LEFT_OUTER, on=Reservation.alias == Alias.id)
        .join_from(Alias, AliasRecipient, JOIN.LEFT_OUTER)
        .join(Recipient, JOIN.LEFT_OUTER)
        .where(
            Alias.domain.in_({one.domain_id for one in verdicts}),
            Alias.local_part.in_([one.local_part for one in verdicts]),
        )
        .order_by(Alias.id, AliasRecipient.position)
    )
    found: dict[tuple[int, str], _There] = {}
    for domain_id, local_part, name, key in query.tuples():
        before = found.get((domain_id, local_part))
        keys = (*(before.recipients if before else ()), *([key] if key else []))
        found[(domain_id, local_part)] = _There(name, keys)
    return found


def _beside(verdict: Verdict, there: _There | None) -> Verdict:
    if there is None:
        return replace(verdict, fate=Fate.NEW)
    if there.name is None:
        return replace(verdict, fate=Fate.TAKEN)
    same = (there.name, there.recipients) == (verdict.name, tuple(one.key for one in verdict.recipients))
    return replace(verdict, fate=Fate.RESERVED if same else Fate.DIFFERS)
