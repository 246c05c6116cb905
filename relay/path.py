"""What stands behind MAIL FROM: and RCPT TO: a path and its parameters (RFC 5321 §4.1.1.2, §4.1.1.3)."""

import re
from dataclasses import dataclass

from core.addresses import Address, AddressError, to_ascii_domain
from core.routing import Reply

_PATH = re.compile(
    r"""[ \t]*(?:
        <(?:@[^:<>"\s]*:)?                       # a source route, which is ignored (RFC 5321 §F.2)
         ((?:"(?:[^"\\]|\\.)*"|[^"<>@\s\\]+)      # local part
         (?:@[^<>"\s]*)?|)>                       # domain; a null path has neither
        |([^"<>@\s\\]+@[^<>"\s]*)                # without brackets, as some send it
    )(?:[ \t]+(.*))?""",
    re.VERBOSE | re.DOTALL,
)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-\U0010ffff]+))?")
_DOT_ATOM = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+)*"
)
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"')
_LAX_DOMAIN = re.compile(
    r"(?=[^_]*_)(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_-]+)+", re.ASCII
)

MALFORMED_SENDER = Reply(553, "5.1.7", "The sender's address is malformed")
MALFORMED_RECIPIENT = Reply(553, "5.1.3", "The address is malformed")
SYNTAX = Reply(501, "5.5.4", "Syntax error in parameters")
UNKNOWN_PARAMETER = Reply(555, "5.5.4", "Parameter not recognized")

# RFC 3461 §4, RFC 4954 §5: understood and dropped. Answering 555 would make real mail bounce.
_DROPPED_AT_MAIL = frozenset({"RET", "ENVID", "AUTH"})
_DROPPED_AT_RCPT = frozenset({"NOTIFY", "ORCPT"})


class PathError(Exception):
    """The argument is refused; `reply` says how."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


@dataclass(frozen=True)
class MailCommand:
    """A MAIL command: sender (None for the null path), declared size in octets, SMTPUTF8 or not."""

    sender: Address | None
    size: int
    smtputf8: bool


def parse_mail(argument: str) -> MailCommand:
    """Parse what follows `MAIL`. Raises PathError."""
    path, parameters = _split(argument, "FROM:", MALFORMED_SENDER)
    size, smtputf8 = 0, False
    for name, value in parameters:
        if name == "SIZE":
            if not (value and value.isascii() and value.isdigit() and len(value) <= 20):
                raise PathError(SYNTAX)
            size = int(value)
        elif name == "BODY":
            if (value or "").upper() not in ("7BIT", "8BITMIME"):
                raise PathError(SYNTAX)
        elif name == "SMTPUTF8":
            if value is not None:
                raise PathError(SYNTAX)
            smtputf8 = True
        elif name not in _DROPPED_AT_MAIL:
            raise PathError(UNKNOWN_PARAMETER)
    return MailCommand(_sender(path) if path else None, size, smtputf8)


def parse_rcpt(argument: str, own_domain: str) -> Address:
    """Parse what follows `RCPT`; `postmaster` without domain is that of `own_domain` (RFC 5321 §4.5.1).

    Raises PathError.
    """
    path, parameters = _split(argument, "TO:", MALFORMED_RECIPIENT)
    for name, _ in parameters:
        if name not in _DROPPED_AT_RCPT:
            raise PathError(UNKNOWN_PARAMETER)
    if path.lower() == "postmaster":
        return Address("postmaster", own_domain)
    try:
        return parse_mailbox(path)
    except AddressError:
        raise PathError(MALFORMED_RECIPIENT) from None


def parse_mailbox(text: str) -> Address:
    """Parse a mailbox as `core.addresses.parse_address` does, without its limit of 64 octets.

    Rewritten senders and those of mailing lists are longer, and other servers take them.
    Raises AddressError.
    """
    local, _, domain = text.rpartition("@")
    if _DOT_ATOM.fullmatch(local):
        return Address(local, to_ascii_domain(domain))
    if _QUOTED.fullmatch(local) and len(local) > 2:
        return Address(re.sub(r"\\(.)", r"\1", local[1:-1]), to_ascii_domain(domain))
    raise AddressError("The part before the @ is malformed.")


def _split(argument: str, keyword: str, malformed: Reply) -> tuple[str, list[tuple[str, str | None]]]:
    if argument[: len(keyword)].upper() != keyword:
        raise PathError(Reply(501, "5.5.4", f"Syntax: {keyword}<address>"))
    found = _PATH.fullmatch(argument, len(keyword))
    if found is None or any("\ud800" <= char <= "\udfff" for char in found[1] or ""):
        raise PathError(malformed)
    parameters = []
    for word in (found[3] or "").split():
        parameter = _PARAMETER.fullmatch(word)
        if parameter is None:
            raise PathError(SYNTAX)
        parameters.append((parameter[1].upper(), parameter[2]))
    return found[1] or found[2] or "", parameters


def _sender(path: str) -> Address:
    local, _, domain = path.rpartition("@")
    if _LAX_DOMAIN.fullmatch(domain.lower()):
        # Hosts with an underscore in their name do send mail; such a name is only written back.
        path, domain = f"{local}@example.org", domain.lower()
    else:
        domain = ""
    try:
        sender = parse_mailbox(path)
    except AddressError:
        raise PathError(MALFORMED_SENDER) from None
    return Address(sender.local_part, domain) if domain else sender
