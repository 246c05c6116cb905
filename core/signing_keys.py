"""The keys that sign and seal mail of our domains: made, kept sealed, rotated, erased.

A key waits until DNS shows its record (`core.key_watch` looks); then it is in use, and the domain's
older one retires. Why this module knows mailauth: docs/decisions/0005.
"""

import re
import secrets
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain, count

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.addresses import MAX_DOMAIN, AddressError, to_ascii_domain
from core.audit import Actor, record
from core.database import connection, lock_for_all, write
from core.domains import uses_of
from core.models import DkimKey
from core.notices import tell_ops
from core.secrets import derive_key
from core.settings import Settings
from mailauth.keys import Algorithm, PublicKey, SigningKey, read_record

ALGORITHMS = {"rsa": Algorithm.RSA, "ed25519": Algorithm.ED25519}
"""By their name in key records."""

ERASE_AFTER = timedelta(days=1)
"""How long after its retirement the private half is kept: relays read the keys only now and then."""

KEEP_RECORD = timedelta(days=30)
"""How long the record of a retired key stays in DNS, for mail that is still on its way."""

_LOCK = 0x5741_594B  # any number that only the making of keys uses
_NONCE = 12  # octets (NIST SP 800-38D §8.2.2)
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_IN_USE = DkimKey.published_at.is_null(False) & DkimKey.retired_at.is_null()
_WAITING = DkimKey.published_at.is_null() & DkimKey.retired_at.is_null()

_unreadable: set[tuple[str, str]] = set()
"""What this process has logged as unreadable."""

log = structlog.get_logger()


class State(StrEnum):
    """Where a key stands."""

    WAITING = "waiting"
    """DNS was not seen to show it yet."""
    IN_USE = "in use"
    RETIRED = "retired"


class KeyRefused(Exception):
    """There can be no such key; the text says why, for an operator."""


class KeyWaits(KeyRefused):
    """The domain's next key is there already and waits for DNS: `key`."""

    def __init__(self, key: DkimKey) -> None:
        super().__init__(f"The next key of {key.domain} is there already: {key.selector} waits for DNS.")
        self.key = key


# -- what is stored -------------------------------------------------------------------------------


def state_of(key: DkimKey) -> State:
    """Say where a key stands."""
    if key.retired_at is not None:
        return State.RETIRED
    return State.WAITING if key.published_at is None else State.IN_USE


def record_needed_until(key: DkimKey) -> datetime:
    """Return until when DNS should keep the record of a retired key."""
    return key.retired_at + KEEP_RECORD  # type: ignore[no-any-return]


def keys_of(domain: str | None = None) -> list[DkimKey]:
    """Return the keys of one domain or of all, by domain and age."""
    rows = DkimKey.select().order_by(DkimKey.domain, DkimKey.created_at, DkimKey.id)
    return list(rows if domain is None else rows.where(DkimKey.domain == domain))


def live_keys() -> list[DkimKey]:
    """Return the keys that wait or are in use."""
    return list(DkimKey.select().where(DkimKey.retired_at.is_null()).order_by(DkimKey.id))


def keys_in_use(record_secret: str) -> list[SigningKey]:
    """Return the keys to sign with, one a domain.

    record_secret: the setting of that name. One that it does not open is left out, and logged once.
    Raises the database's errors.
    """
    with connection():
        rows = list(DkimKey.select().where(_IN_USE).order_by(DkimKey.published_at, DkimKey.id))
    opened = {row.domain: open_key(row, record_secret) for row in rows}  # the newest of a domain counts
    return [key for key in opened.values() if key is not None]


# -- the private half -----------------------------------------------------------------------------


def open_key(row: DkimKey, record_secret: str) -> SigningKey | None:
    """Decrypt a key; None when it was erased, or cannot be opened, which is logged once."""
    if row.sealed is None:
        return None
    nonce, sealed = bytes(row.sealed)[:_NONCE], bytes(row.sealed)[_NONCE:]
    try:
        pem = _cipher(record_secret).decrypt(nonce, sealed, _belongs_to(row.domain, row.selector))
        return SigningKey.from_pem(pem, row.domain, row.selector)
    except (InvalidTag, ValueError):
        if (row.domain, row.selector) not in _unreadable:
            _unreadable.add((row.domain, row.selector))
            log.warning("signing key cannot be opened", domain=row.domain, selector=row.selector)
        return None


def _seal(key: SigningKey, record_secret: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + _cipher(record_secret).encrypt(nonce, key.to_pem(), _belongs_to(key.domain, key.selector))


def _cipher(record_secret: str) -> AESGCM:
    return AESGCM(derive_key(record_secret, "signing keys"))


def _belongs_to(domain: str, selector: str) -> bytes:
    """What is sealed in with a key, so that none can be put into the place of another."""
    return f"{selector}._domainkey.{domain}".encode()


# -- making and rotating --------------------------------------------------------------------------


def create_key(
    actor: Actor,
    name: str,
    settings: Settings,
    now: datetime,
    *,
    algorithm: str = "rsa",
    selector: str | None = None,
) -> DkimKey:
    """Make the first key of a domain; it waits for DNS.

    name: as somebody typed it. algorithm: of ALGORITHMS. selector: one from the date when not given.
    Raises KeyRefused.
    """
    domain = our_name(name, settings)
    _has_none(domain)
    return _add(actor, domain, algorithm, selector, settings, now, _has_none)


def rotate_key(
    actor: Actor,
    name: str,
    settings: Settings,
    now: datetime,
    *,
    algorithm: str | None = None,
    selector: str | None = None,
) -> DkimKey:
    """Make the next key of a domain; it waits for DNS, and the present one signs until then.

    algorithm: the present key's when not given. Raises KeyRefused; KeyWaits when there is a next one.
    """
    domain = our_name(name, settings)
    present = _to_follow(domain)
    return _add(actor, domain, algorithm or present.algorithm, selector, settings, now, _to_follow)


def withdraw_key(actor: Actor, name: str, settings: Settings, now: datetime) -> DkimKey:
    """Delete the key of a domain that waits, as when its record cannot be published; it never signed.

    Raises KeyRefused when none waits.
    """
    domain = our_name(name, settings)
    with write():
        key = DkimKey.get_or_none(_WAITING, DkimKey.domain == domain)
        if key is None or not DkimKey.delete().where(_WAITING, DkimKey.id == key.id).execute():
            raise KeyRefused(f"No key of {domain} waits for DNS.")
        _record(actor, "signing-key-withdrawn", key, now)
        return key


def our_name(name: str, settings: Settings) -> str:
    """Return the name of a domain of ours in its one form. Raises KeyRefused for any other."""
    try:
        domain = to_ascii_domain(name)
    except AddressError as error:
        raise KeyRefused(f"{name}: {error}") from None
    if not uses_of(domain, settings):
        raise KeyRefused(
            f"{domain} is none of Waypost's domains: neither added with `waypost domain add`, nor "
            "SRS_DOMAIN, the domain of MAIL_FROM or RELAY_HOSTNAME."
        )
    return domain


def _has_none(domain: str) -> None:
    key = DkimKey.get_or_none(DkimKey.domain == domain, DkimKey.retired_at.is_null())
    if key is not None:
        raise KeyRefused(
            f"{domain} has a key already: {key.selector}. `waypost keys rotate {domain}` makes the next one."
        )


def _to_follow(domain: str) -> DkimKey:
    """Return the key that a next one may follow."""
    live = [key for key in keys_of(domain) if state_of(key) is not State.RETIRED]
    for key in live:
        if state_of(key) is State.WAITING:
            raise KeyWaits(key)
    if not live:
        raise KeyRefused(f"{domain} has no key yet. `waypost keys create {domain}` makes one.")
    return live[-1]


def _add(
    actor: Actor,
    domain: str,
    algorithm: str,
    selector: str | None,
    settings: Settings,
    now: datetime,
    check: Callable[[str], object],
) -> DkimKey:
    """Make a key and store it. check: raises KeyRefused when there must be none; asked inside too."""
    selector = _usable(domain, selector) if selector else _dated(domain, now)
    made = SigningKey.generate(ALGORITHMS[algorithm], domain, selector)  # takes a while: outside
    with write():
        lock_for_all(_LOCK)
        check(domain)
        _usable(domain, selector)
        key = DkimKey.create(
            domain=domain,
            selector=selector,
            algorithm=algorithm,
            record=made.record,
            sealed=_seal(made, settings.record_secret),
            created_at=now,
        )
        _record(actor, "signing-key-made", key, now)
    return key


def _usable(domain: str, selector: str) -> str:
    """Return a selector in lower case. Raises KeyRefused when it is none, or was used before."""
    selector = selector.lower()
    if not _SELECTOR.fullmatch(selector):
        raise KeyRefused("A selector is made of letters, digits and hyphens, 63 at most.")
    if len(f"{selector}._domainkey.{domain}") > MAX_DOMAIN:
        raise KeyRefused(f"The selector is too long for a record below {domain}.")
    if DkimKey.select().where(DkimKey.domain == domain, DkimKey.selector == selector).exists():
        raise KeyRefused(f"{domain} has had a key named {selector}; a selector is used once.")
    return selector


def _dated(domain: str, now: datetime) -> str:
    """Return a selector with the date in it that the domain has not used."""
    stem = f"wp{now:%Y%m%d}"
    taken = {key.selector for key in keys_of(domain)}
    return next(name for name in chain([stem], (f"{stem}-{n}" for n in count(2))) if name not in taken)


# -- what becomes of them -------------------------------------------------------------------------


def is_shown(key: DkimKey, texts: Iterable[bytes]) -> bool:
    """Whether one of a name's TXT records has the public half of a key, in whatever way it is written."""
    ours = read_record(key.record.encode())
    shown = [read_record(text) for text in texts]
    return isinstance(ours, PublicKey) and any(
        isinstance(other, PublicKey) and other.key == ours.key for other in shown
    )


def put_in_use(actor: Actor, key: DkimKey, now: datetime) -> None:
    """Sign with a key from now on, and retire the domain's older one. Does nothing twice."""
    with write():
        fresh = DkimKey.update(published_at=now).where(_WAITING, DkimKey.id == key.id)
        if not fresh.execute():
            return
        older = list(DkimKey.select().where(_IN_USE, DkimKey.domain == key.domain, DkimKey.id != key.id))
        DkimKey.update(retired_at=now).where(DkimKey.id.in_([old.id for old in older])).execute()
        _record(actor, "signing-key-in-use", key, now)
        ids = {"key": key.id}
        for old in older:
            _record(actor, "signing-key-retired", old, now)
            ids["old_key"] = old.id
        tell_ops("signing-key-in-use", None, ids, f"signing-key-in-use:{key.id}", now)


def erase_retired(actor: Actor, now: datetime) -> None:
    """Erase the private half of each key that retired a day ago."""
    over = DkimKey.sealed.is_null(False) & (DkimKey.retired_at <= now - ERASE_AFTER)
    with write():
        for key in DkimKey.select().where(over):
            if DkimKey.update(sealed=None).where(over, DkimKey.id == key.id).execute():
                _record(actor, "signing-key-erased", key, now)


def _record(actor: Actor, verb: str, key: DkimKey, now: datetime) -> None:
    values = {"domain": key.domain, "selector": key.selector, "algorithm": key.algorithm}
    record(actor, verb, {"dkim_key": key.id}, values, now)
