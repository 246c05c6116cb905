"""Domain names as mail writes them, in the one form in which they are compared and asked for."""

import re
from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList

MAX_NAME = 253

_LABELS = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*",
    re.ASCII,
)


@lru_cache(maxsize=8192)
def ascii_name(text: str) -> str | None:
    """Return a domain name in lower case and A-labels (RFC 5891), or None if it is none.

    Letters, digits, hyphens and underscores; labels of 1 to 63 octets; 253 octets in all. A last
    dot is no part of a name in mail (RFC 5321 section 4.1.2).
    """
    if len(text) > MAX_NAME:
        return None
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    text = text.lower()
    return text if _LABELS.fullmatch(text) else None


def askable(name: str) -> bool:
    """Whether DNS can be asked for a name at all (RFC 1035 section 2.3.4): any octets, but no empty label."""
    return 0 < len(name) <= MAX_NAME and all(0 < len(label) <= 63 for label in name.split("."))


def is_within(name: str, domain: str) -> bool:
    """Whether a name is a domain or below it."""
    return name == domain or name.endswith("." + domain)


@cache
def _suffixes(icann: bool) -> PublicSuffixList:
    return PublicSuffixList(only_icann=icann)


@lru_cache(maxsize=8192)
def organisational(name: str) -> str:
    """Return the organisational domain of a name (RFC 7489 section 3.2).

    One method: the whole public suffix list, its private section included, since customers of one
    host (`a.github.io`, `b.github.io`) are strangers to each other. A name that is a public suffix
    itself, or below none, stands for itself.
    """
    found: str | None = _suffixes(icann=False).privatesuffix(name)
    return found or name


@lru_cache(maxsize=8192)
def is_registry(name: str) -> bool:
    """Whether a name is a suffix under which a registry sells names (`com`, `co.uk`).

    Only the list's ICANN section: hosts of its private section are companies, which may sign their
    own mail.
    """
    return _suffixes(icann=True).privatesuffix(name) is None
