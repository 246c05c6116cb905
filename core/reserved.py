"""Local parts that nobody gets by self-service, and those that always reach the admins."""

import re

ROLE_NAMES = frozenset(
    "abuse ftp hostmaster info marketing news noc postmaster sales security support usenet uucp"
    " webmaster www".split()
)
"""RFC 2142 §3-6: mail to them reaches the domain's admins, else the ops address."""

SYSTEM_NAMES = frozenset("admin administrator mailer-daemon noreply root".split())
"""Names that look official, or with which a certificate authority proves a domain (CA/B BR 3.2.2.4.4)."""

_SRS = re.compile(r"srs[01]([=+-].*)?")
"""Local parts of rewritten senders look like this (`mailauth.srs`)."""


def is_reserved(local_part: str, more: frozenset[str] = frozenset()) -> bool:
    """Whether self-service must not hand this local part out.

    local_part: in lower case. more: the names that admins added for this domain or for all.
    """
    return (
        local_part in ROLE_NAMES
        or local_part in SYSTEM_NAMES
        or local_part in more
        or _SRS.fullmatch(local_part) is not None
    )
