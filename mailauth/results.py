"""Authentication-Results: reading, writing, and finding those that claim to be ours (RFC 8601)."""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from mailauth.message import Message

FIELD = b"authentication-results"
MAX_FIELD = 64 * 1024
"""Octets of a field that is read; a longer one is not."""
MAX_VALUE = 320
"""Characters of a value that is written: an address has no more (RFC 3696, erratum 1690)."""

_TOKEN = re.compile(
    r"""[ \t\r\n]+ | (?P<open>\() | "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<mark>[;=]) | (?P<word>[^\s;=()"]+)""",
    re.VERBOSE | re.DOTALL,
)
_IN_COMMENT = re.compile(r"[^()\\]+|\\.|[()]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+./?^_`{|}~@-]+", re.ASCII)
_PRINTABLE = re.compile(r"[^ -~]+")
_HEAD = re.compile(r"[^\s;/=(),]+")


@dataclass(frozen=True, slots=True)
class Method:
    """One method's result. properties: (`smtp.mailfrom`, value) and the like, in order."""

    method: str
    result: str
    comment: str = ""
    reason: str = ""
    properties: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """Return the value of the first property of a name, such as `header.d`."""
        return next((value for key, value in self.properties if key == name), None)

    def __str__(self) -> str:
        """Write the result as it stands between semicolons."""
        text = f"{self.method}={self.result}"
        if self.comment:
            text += f" ({_PRINTABLE.sub(' ', self.comment).translate(_NO_COMMENT_MARKS)})"
        if self.reason:
            text += f" reason={_quoted(self.reason)}"
        return text + "".join(f" {name}={_value(value)}" for name, value in self.properties)


_NO_COMMENT_MARKS = str.maketrans("()\\", "[]/")


@dataclass(frozen=True, slots=True)
class Results:
    """What one host found: its authserv-id and the methods' results."""

    authserv_id: str
    methods: tuple[Method, ...] = ()

    def of(self, method: str) -> Iterator[Method]:
        """Return the results of a method."""
        return (found for found in self.methods if found.method == method)

    def payload(self) -> bytes:
        """Write the value of the field, a result a line (section 2.2)."""
        lines = [str(method) for method in self.methods] or ["none"]
        return ";\r\n\t".join([_value(self.authserv_id), *lines]).encode("ascii")

    def field(self) -> bytes:
        """Write the whole field with its CRLF, to stand on top."""
        return b"Authentication-Results: " + self.payload() + b"\r\n"


def _value(text: str) -> str:
    """Write a value: as it is, or in quotation marks; what is not printable ASCII becomes a question mark."""
    text = text[:MAX_VALUE]
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    text = _PRINTABLE.sub("?", text[:MAX_VALUE])
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def parse(value: bytes) -> Results | None:
    """Read the value of a field; None if it is malformed, such as one without an authserv-id."""
    if len(value) > MAX_FIELD:
        return None
    tokens = _tokens(value.decode("utf-8", "replace"))
    if tokens is None:
        return None
    parts: list[list[tuple[str, str]]] = [[]]
    for token in tokens:
        if token == ("mark", ";"):
            parts.append([])
        else:
            parts[-1].append(token)
    head = [token for token in parts[0] if token[0] != "comment"]
    # The id, and perhaps a version.
    if not head or len(head) > 2 or head[0][0] not in ("word", "quoted") or head[-1][0] == "mark":
        return None
    methods: list[Method] = []
    for part in parts[1:]:
        if not part or [text for kind, text in part if kind == "word"] == ["none"]:
            continue
        method = _method(part)
        if method is None:
            return None
        methods.append(method)
    return Results(head[0][1], tuple(methods))


def _tokens(text: str) -> list[tuple[str, str]] | None:
    """Split a value into words, quoted strings, marks and comments; None if something is left open."""
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            return None
        position = found.end()
        kind = found.lastgroup
        if kind == "open":
            comment, position = _comment(text, position)
            if position < 0:
                return None
            tokens.append(("comment", comment))
        elif kind == "quoted":
            tokens.append((kind, _ESCAPED.sub(r"\1", found[kind])))
        elif kind:
            tokens.append((kind, found[kind]))
    return tokens


def _comment(text: str, position: int) -> tuple[str, int]:
    """Read a comment, nested ones included; returns its text and where it ends, -1 if nowhere."""
    depth, start = 1, position
    while found := _IN_COMMENT.match(text, position):
        position = found.end()
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth == 0:
            return text[start : position - 1], position
    return "", -1


def _method(part: list[tuple[str, str]]) -> Method | None:
    """Read `method=result (comment) reason=... ptype.property=value ...` (section 2.2)."""
    comment = next((text for kind, text in part if kind == "comment"), "")
    tokens = [token for token in part if token[0] != "comment"]
    if len(tokens) % 3:
        return None
    pairs: list[tuple[str, str]] = []
    for name, mark, value in zip(tokens[::3], tokens[1::3], tokens[2::3], strict=True):
        if name[0] != "word" or mark != ("mark", "=") or value[0] == "mark":
            return None
        pairs.append((name[1].lower(), value[1]))
    if not pairs or "." in pairs[0][0]:
        return None
    (method, result), *rest = pairs
    reason = next((value for name, value in rest if name == "reason"), "")
    properties = tuple((name, value) for name, value in rest if name != "reason")
    return Method(method.partition("/")[0], result.lower(), comment, reason, properties)


def claimed_id(value: bytes) -> str | None:
    """Return the authserv-id a field claims, in lower case, however malformed the rest is."""
    text = value[:MAX_FIELD].decode("utf-8", "replace")
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            return None
        position = found.end()
        if found.lastgroup == "open":
            position = _comment(text, position)[1]
            if position < 0:
                return None
        elif found.lastgroup == "quoted":
            return _ESCAPED.sub(r"\1", found["quoted"]).strip().lower()
        elif found.lastgroup == "word":
            head = _HEAD.match(found["word"])
            return head[0].lower().removesuffix(".") if head else None
        elif found.lastgroup == "mark":
            return None
    return None


def claiming(message: Message, ids: Collection[str]) -> list[int]:
    """Return the positions of the fields which claim one of our ids; they are removed (section 5).

    ids: in lower case. Other hosts' fields stay, since signatures may cover them.
    """
    return [position for position in message.where(FIELD) if claimed_id(message.values[position]) in ids]


def merged(authserv_id: str, found: Iterable[Results]) -> Results:
    """Return the results of several fields of one host as one."""
    return Results(authserv_id, tuple(method for results in found for method in results.methods))
