"""Local parts that nobody gets by self-service, and those that always reach the admins."""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import cache

ROLE_NAMES = frozenset(
    "abuse ftp hostmaster info marketing news noc postmaster sales security support usenet uucp"
    " webmaster www".split()
)
"""RFC 2142 §3-6: mail to them reaches the domain's admins, else the ops address."""


class NameClass(StrEnum):
    """Why a name is kept back."""

    ROLE = "role"
    """Mail to it always reaches the admins (RFC 2142)."""
    CERTIFICATE = "certificate"
    """With it a certificate authority proves a domain (CA/B BR 3.2.2.4.4), or looks after one."""
    MAIL = "mail"
    """Mail systems write from it, or report to it."""
    SYSTEM = "system"
    """Accounts and services of a machine."""
    OFFICE = "office"
    """Whoever has it seems to speak for the project."""
    BRAND = "brand"
    """The name of the project, of this service, or a word that makes something look official."""


WORDS = {
    NameClass.ROLE: ROLE_NAMES,
    NameClass.CERTIFICATE: frozenset(
        "admin administrator root sysadmin ssl ssladmin ssladministrator tls certificate certificates".split()
    ),
    NameClass.MAIL: frozenset(
        "arc autoconfig autodiscover bounce bounces delivery dkim dmarc dmarc-reports do-not-reply"
        " donotreply fbl feedback-loop list lists list-owner listserv mail mailer mailer-daemon mailman"
        " majordomo mta-sts no-reply noreply notifications phishing return-path spam spf subscribe tlsrpt"
        " unsubscribe".split()
    ),
    NameClass.SYSTEM: frozenset(
        "alerts anonymous api backup cron daemon devnull dns git guest imap ldap localhost"
        " monitoring nobody null operator ops password pop3 smtp ssh status submission superuser system"
        " test user".split()
    ),
    NameClass.OFFICE: frozenset(
        "accounting accounts all announce billing board careers chair code-of-conduct coc committee community"
        " compliance conduct contact copyright council director dmca donate donations dpo elections ethics"
        " events everybody everyone feedback finance gdpr hello help helpdesk hr invoices jobs legal"
        " licensing management media members membership moderation moderator moderators office payments"
        " pr president press privacy recruiting register registration release secretary security-team service"
        " sponsors staff team trademark trademarks treasurer trust vendor volunteers".split()
    ),
    NameClass.BRAND: frozenset("foundation official project verified waypost".split()),
}
"""The words of each class. The names of the project's own domains come to the last one (`brands`)."""

_SRS = re.compile(r"srs[01]([=+-].*)?")
"""Local parts of rewritten senders look like this (`mailauth.srs`)."""

_SHORTEST = 4
"""Shorter words look like too much."""
_ALIKE = str.maketrans("013456789lj", "oieasbtbgii")
"""Characters that are taken for each other, each brought to one of them."""


def brands(domain_names: Iterable[str]) -> frozenset[str]:
    """Return the names that stand for the project: what its domains begin with."""
    return frozenset(name.partition(".")[0] for name in domain_names)


def class_of(local_part: str) -> NameClass | None:
    """Return the class of a word of our own, None for any other. local_part: in lower case, as a whole."""
    if _SRS.fullmatch(local_part):
        return NameClass.MAIL
    return next((each for each, words in WORDS.items() if local_part in words), None)


def is_reserved(local_part: str, more: frozenset[str] = frozenset()) -> bool:
    """Whether self-service must not hand this local part out.

    local_part: in lower case. more: the names that admins added for this domain or for all.
    """
    return local_part in more or class_of(local_part) is not None


def looks_like(local_part: str, more: Iterable[str] = ()) -> str | None:
    """Return the reserved name for which a reader may take this one, None when there is none.

    Separators, doubled letters, digits at the end and a plural do not tell names apart, nor do
    characters of one shape: `p0stmaster`, `adm1n`, `root-`, `web.master`. more: as for `is_reserved`.
    """
    if is_reserved(local_part, frozenset(more)):
        return None
    known = _shapes() | {shape: name for name in more for shape in _forms(name) if len(name) >= _SHORTEST}
    return next((known[shape] for shape in _forms(local_part) if shape in known), None)


@cache
def _shapes() -> dict[str, str]:
    names = sorted(name for words in WORDS.values() for name in words if len(name) >= _SHORTEST)
    return {shape: name for name in names for shape in _forms(name)}


def _forms(name: str) -> list[str]:
    """Return the shapes of a name: as it is, without digits at its end, and without a plural."""
    bare = re.sub(r"[^a-z0-9]", "", name)
    whole = [bare, bare.rstrip("0123456789")]
    found = dict.fromkeys(_shape(one.removesuffix("s") if len(one) > _SHORTEST else one) for one in whole)
    return [shape for shape in found if shape]


def _shape(name: str) -> str:
    same = name.translate(_ALIKE).replace("rn", "m").replace("vv", "w")
    return re.sub(r"(.)\1+", r"\1", same)
