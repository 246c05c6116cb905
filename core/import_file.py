"""Reads a list of old addresses: whatever a spreadsheet or an old system wrote as CSV, without trusting it.

Each line of the file is one record: no cell holds a line end, so one broken quote spoils one line.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.translation import N_, Told, ToldError

MAX_OCTETS = 16 * 1024 * 1024
MAX_LINES = 100_000
MAX_LINE = 8_000  # characters
FORMULA = ("=", "+", "-", "@", "\t")
"""A spreadsheet takes a cell that begins so for a formula."""

_HEADINGS: Mapping[str, frozenset[str]] = {
    "address": frozenset({"address", "alias", "email", "email address"}),
    "recipients": frozenset({"recipients", "recipient", "forward to", "forwards to", "target", "targets"}),
    "name": frozenset({"launchpad name", "launchpad", "launchpad id", "lp name", "lp", "name"}),
}
_LINE_END = re.compile(r"\r\n|\r|\n")
_BETWEEN = re.compile(r"[\s;,|]+")
_NAME_IN = re.compile(r"(?:https?://(?:www\.)?launchpad\.net/)?~?(.*)", re.DOTALL)


class FileProblem(ToldError):
    """The file as a whole cannot be read; the message says why, for whoever brought it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that says something, as it stands there."""

    number: int
    """Counted from 1, as an editor does."""
    address: str = ""
    recipients: tuple[str, ...] = ()
    name: str = ""
    """The Launchpad name, in lower case; empty when there is none."""
    broken: Told | None = None
    """Why it cannot be read; None when it can."""


def read_file(data: bytes) -> list[Line]:
    """Read a whole file: address, recipients and Launchpad name, in this order or as a header names them.

    data: UTF-8 with or without BOM, UTF-16 with BOM, else Latin-1; CR, LF or both; commas, semicolons or
    tabs between the cells. Raises FileProblem when it is none of that; what is wrong with one line is in it.
    """
    if len(data) > MAX_OCTETS:
        raise too_large()
    texts = [(number, text) for number, text in enumerate(_LINE_END.split(_decode(data)), 1) if text.strip()]
    if len(texts) > MAX_LINES:
        raise FileProblem(N_("The file has more than %(most)s lines. Bring it in parts."), most=MAX_LINES)
    separator = _separator(texts)
    if texts and texts[0][1].lower().startswith("sep="):  # a line that spreadsheets write for each other
        texts = texts[1:]
    if not texts:
        raise FileProblem(N_("There is nothing in the file."))
    columns = _header(texts[0][1], separator)
    return list(_lines(texts[1:] if columns else texts, separator, columns))


def too_large() -> FileProblem:
    """Return the error for a file of more than `MAX_OCTETS`."""
    text = N_("The file is larger than %(most)s MiB. Bring it in parts.")
    return FileProblem(text, most=MAX_OCTETS // 1024 // 1024)


def shown(text: str, longest: int = 100) -> str:
    """Make a text out of a file fit to show: nothing that cannot be seen, and not too long."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text[: longest + 1])[:longest].strip()


def _decode(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _separator(texts: Sequence[tuple[int, str]]) -> str:
    """Find what stands between the cells: that which makes most of them in the first lines."""
    first = texts[0][1] if texts else ""
    if first.lower().startswith("sep="):
        return first[4:5] if first[4:5] in (",", ";", "\t", "|") else ","
    begin = [text[:MAX_LINE] for _, text in texts[:20]]
    return max((",", ";", "\t"), key=lambda one: sum(len(_cells(text, one) or "") for text in begin))


def _cells(text: str, separator: str) -> list[str] | None:
    """Cut one line into its cells; None when its quotes do not fit together."""
    try:
        rows = list(csv.reader([text], delimiter=separator, strict=True, skipinitialspace=True))
    except csv.Error:
        return None
    return [cell.strip(" ") for cell in rows[0]] if rows else []


def _header(text: str, separator: str) -> dict[str, int]:
    """Return where the columns are, if this line names them; raises FileProblem when one is missing."""
    cells = _cells(text[:MAX_LINE], separator) or []
    if any("@" in cell for cell in cells):
        return {}
    plain = [" ".join(re.split(r"[\s_-]+", cell.lower())) for cell in cells]
    found = {
        column: next((i for i, cell in enumerate(plain) if cell in names), -1)
        for column, names in _HEADINGS.items()
    }
    columns = {column: place for column, place in found.items() if place >= 0}
    missing = [column for column in ("address", "recipients") if column not in columns]
    if columns and missing:
        text = N_("The first line names the columns, but none is called “%(column)s”.")
        raise FileProblem(text, column=missing[0])
    return columns


def _lines(texts: Sequence[tuple[int, str]], separator: str, columns: Mapping[str, int]) -> Iterator[Line]:
    for number, text in texts:
        if len(text) > MAX_LINE:
            yield Line(number, broken=Told(N_("The line is longer than %(most)s characters."), most=MAX_LINE))
            continue
        cells = _cells(text, separator)
        if cells is None:
            yield Line(number, broken=Told(N_("Its quotation marks do not fit together.")))
        elif any(cells):
            yield _line(number, cells, columns)


def _line(number: int, cells: Sequence[str], columns: Mapping[str, int]) -> Line:
    def cell(column: str, place: int) -> str:
        place = columns.get(column, -1 if columns else place)
        return cells[place] if 0 <= place < len(cells) else ""

    address, name = cell("address", 0), cell("name", 2)
    recipients = tuple(part for part in _BETWEEN.split(cell("recipients", 1)) if part)
    broken = None
    if any(text.startswith(FORMULA) for text in (address, name, *recipients)):
        broken = Told(
            N_("A cell begins with = + - or @, as a spreadsheet's formula does. Write the plain value.")
        )
    elif not columns and any(cells[3:]):
        broken = Told(
            N_("It has more than three columns. Several recipients belong into one cell, between quotes.")
        )
    found = _NAME_IN.fullmatch(name)
    return Line(number, address, recipients, (found[1] if found else name).lower(), broken)
