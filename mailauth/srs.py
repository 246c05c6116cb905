"""The Sender Rewriting Scheme, SRS0 and SRS1: a forwarder's envelope sender that leads back.

After the paper by Meng Weng Wong and Shevek ("The Sender Rewriting Scheme", 2003). A rewritten
local part looks like this:

    SRS0=HASH=DD=sender.example=local          first forwarder
    SRS1=HASH=first.example==HASH=DD=...       any later one; leads back to the first

HASH is a keyed hash in letters and digits, compared without regard to case, since other mailers
fold it. DD counts days modulo 1024 in two characters.
"""

import hmac
import re
from base64 import b32encode
from collections.abc import Sequence

_DAY = 86_400
_DAYS = 1024
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_HASH_LENGTH = 8
"""Base32 characters, 5 bits each: a guess is right once in 2^40."""
_FLAGS = re.IGNORECASE | re.DOTALL | re.ASCII
_OURS_0 = re.compile(r"SRS0[=+-]([A-Z2-7]+)=([A-Z2-7]{2})=([^=]+)=(.+)", _FLAGS)
_OURS_1 = re.compile(r"SRS1[=+-]([A-Z2-7]+)=([^=]+)=([=+-].+)", _FLAGS)
_FOREIGN_0 = re.compile(r"SRS0([=+-][^=]+=[^=]+=[^=]+=.+)", _FLAGS)
_FOREIGN_1 = re.compile(r"SRS1[=+-][^=]+=([^=]+)=([=+-].+)", _FLAGS)
_ANY = re.compile(r"SRS[01][=+-]", _FLAGS)
_HOST = re.compile(r"(?=.{1,253}\Z)(?:[A-Z0-9_](?:[A-Z0-9_-]{0,61}[A-Z0-9])?\.)+[A-Z0-9-]{2,63}", _FLAGS)


class SrsError(Exception):
    """The address cannot be led back, now or later."""


class SrsSyntaxError(SrsError):
    """It is no SRS address, or not a whole one."""


class SrsForgedError(SrsError):
    """None of our secrets makes this hash."""


class SrsExpiredError(SrsError):
    """It is ours and older than the validity, or from the future."""


def is_srs(local_part: str) -> bool:
    """Whether a local part has the form of a rewritten one, ours or another forwarder's."""
    return _ANY.match(local_part) is not None


class Srs:
    """Rewrites senders and leads rewritten ones back.

    domain: the domain of the rewritten addresses. secrets: the first signs, all of them verify.
    max_age_days: how long a rewritten address leads back.
    Local parts are unquoted here; whoever puts them on the wire quotes them.
    """

    def __init__(self, domain: str, secrets: Sequence[bytes], max_age_days: int = 21) -> None:
        if not secrets:
            raise ValueError("SRS needs a secret")
        if not 0 < max_age_days < _DAYS // 2:
            raise ValueError("the validity must be shorter than half of the 1024 days that a stamp counts")
        self.domain = domain
        self._secrets = tuple(secrets)
        self._max_age = max_age_days

    def forward(self, local_part: str, domain: str, now: float) -> str:
        """Rewrite the sender `local_part@domain`.

        now: seconds since 1970. Returns the local part that stands for the sender at our domain.
        A sender which is an SRS address keeps its way back to the first forwarder, so that the
        address does not grow with each hop; one that is ours already comes back as it is.
        """
        if domain.lower() == self.domain.lower() and is_srs(local_part):
            return local_part
        if found := _FOREIGN_0.fullmatch(local_part):
            return self._srs1(domain, found[1])
        if found := _FOREIGN_1.fullmatch(local_part):
            return self._srs1(found[1], found[2])
        stamp = _stamp(now)
        return f"SRS0={self._hash(self._secrets[0], stamp, domain, local_part)}={stamp}={domain}={local_part}"

    def _srs1(self, first_domain: str, rest: str) -> str:
        return f"SRS1={self._hash(self._secrets[0], first_domain, rest)}={first_domain}={rest}"

    def reverse(self, local_part: str, now: float) -> tuple[str, str]:
        """Lead a local part of our domain back to where it came from.

        now: seconds since 1970. Returns (local part, domain): the original sender for SRS0, the
        first forwarder's SRS0 address for SRS1. Raises SrsSyntaxError, SrsForgedError or
        SrsExpiredError.
        """
        if found := _OURS_0.fullmatch(local_part):
            given, stamp, domain, local = found.groups()
            self._verify(given, stamp.upper(), domain, local)
            if not self._is_fresh(stamp, now):
                raise SrsExpiredError
        elif found := _OURS_1.fullmatch(local_part):
            given, domain, rest = found.groups()
            self._verify(given, domain, rest)
            local = "SRS0" + rest
        else:
            raise SrsSyntaxError
        if not _HOST.fullmatch(domain):
            raise SrsSyntaxError
        return local, domain

    def _verify(self, given: str, *parts: str) -> None:
        hashes = (self._hash(secret, *parts) for secret in self._secrets)
        if not any(hmac.compare_digest(right, given.upper()) for right in hashes):
            raise SrsForgedError

    def _is_fresh(self, stamp: str, now: float) -> bool:
        """Whether a stamp is of today, of the validity before, or of tomorrow (clocks differ)."""
        then = _BASE32.index(stamp[0].upper()) * 32 + _BASE32.index(stamp[1].upper())
        age = (int(now // _DAY) - then) % _DAYS
        return age <= self._max_age or age == _DAYS - 1

    @staticmethod
    def _hash(secret: bytes, *parts: str) -> str:
        """Hash the parts in lower case, so that a mailer which folds case breaks nothing."""
        text = "=".join(parts).lower().encode("utf-8", "surrogateescape")
        return b32encode(hmac.digest(secret, text, "sha256"))[:_HASH_LENGTH].decode()


def _stamp(now: float) -> str:
    day = int(now // _DAY) % _DAYS
    return _BASE32[day >> 5] + _BASE32[day & 31]
