"""Mail addresses: parse, compare and write them (RFC 5321 §4.1.2, RFC 6531 §3.3)."""

import re
import unicodedata
from dataclasses import dataclass

import idna

from core.translation import N_, ToldError

MAX_LOCAL = 64  # octets, RFC 5321 §4.5.3.1.1
MAX_DOMAIN = 253  # octets, RFC 1035 §2.3.4 without the root dot
MAX_LABEL = 63  # octets, RFC 1035 §2.3.4
_BARE_IP = N_("A bare IP address cannot take mail here.")
_NO_DOMAIN_CHARACTER = N_("The domain has a character or a hyphen where none can be.")
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\ud7ff\uf900-\U0010ffff-]"
_DOT_ATOM = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"')
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class AddressError(ToldError):
    """The text is no mail address; the message says why, for the person who typed it."""


@dataclass(frozen=True)
class Address:
    """A mail address in the form that is sent on the wire.

    `local_part` is unquoted and keeps its case; `domain` is in lower case and in A-labels.
    """

    local_part: str
    domain: str

    @property
    def text(self) -> str:
        """The address as a path wants it, quoted where the local part needs it."""
        return f"{quote_local_part(self.local_part)}@{self.domain}"

    @property
    def key(self) -> str:
        """For finding the same address again: two spellings of one mailbox are one key."""
        return f"{unicodedata.normalize('NFC', self.local_part).lower()}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only SMTPUTF8 can carry it (RFC 6531)."""
        return not self.local_part.isascii()


def parse_address(text: str) -> Address:
    """Parse `local@domain`, as typed into a form or sent in a path without its angle brackets.

    Splits at the last unquoted `@`; a quoted local part that needs no quotes loses them
    (RFC 5321 §4.1.2). Raises AddressError with a sentence.
    """
    text = text.strip(" ")
    if not text.isprintable():  # control and bidirectional marks, odd blanks, lone surrogates
        raise AddressError(N_("The address has a character in it that cannot be seen."))
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise AddressError(N_("An address looks like name@example.org."))
    if local.startswith('"'):
        if not _QUOTED.fullmatch(local):
            raise AddressError(N_("The quoted part before the @ is not complete."))
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
        if not local:
            raise AddressError(N_("There is nothing before the @."))
    elif not _DOT_ATOM.fullmatch(local):
        raise AddressError(N_("The part before the @ has a character or a dot where none can be."))
    if len(local.encode()) > MAX_LOCAL:
        raise AddressError(N_("The part before the @ is longer than %(most)s octets."), most=MAX_LOCAL)
    return Address(local, to_ascii_domain(domain))


def quote_local_part(local_part: str) -> str:
    """Write a local part as a path wants it: as it is, or as a quoted string."""
    if _DOT_ATOM.fullmatch(local_part):
        return local_part
    return '"' + re.sub(r'(["\\])', r"\\\1", local_part) + '"'


def to_ascii_domain(text: str) -> str:
    """Bring a domain into its one form: lower case, A-labels, no final dot.

    Raises AddressError when it is no host name, an address literal, or a single label.
    """
    if text.startswith("["):
        raise AddressError(_BARE_IP)
    text = text.removesuffix(".").lower()
    try:
        domain = text if text.isascii() else idna.encode(text, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise AddressError(_NO_DOMAIN_CHARACTER) from None
    labels = domain.split(".")
    if len(domain) > MAX_DOMAIN or any(len(label) > MAX_LABEL for label in labels):
        raise AddressError(N_("The domain after the @, or a part of it between dots, is too long."))
    if len(labels) < 2 or not all(labels):
        raise AddressError(N_("The domain after the @ is not complete."))
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressError(_NO_DOMAIN_CHARACTER)
    if labels[-1].isdigit():
        raise AddressError(_BARE_IP)
    return domain


def is_claimable_local_part(local_part: str) -> bool:
    """Whether self-service may hand this local part out.

    No `+` (it would take someone's sub-address), no leading, trailing or double dot (no legal
    dot-atom, RFC 5322 §3.2.3), and no name that Launchpad gives to what is left of an account.
    """
    return (
        re.fullmatch(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*", local_part) is not None
        and len(local_part) <= MAX_LOCAL
        and re.search(r"-deactivatedaccount\d*$|-merged\d*$|^removed\d+$", local_part) is None
    )
