"""The roster file: people and their teams in TOML or CSV, read strictly.

Whatever is odd is a sentence for the operator, and the whole file counts for nothing until it is
mended: half a roster must not throw the other half out. The sentences hold no mail address.
"""

import csv
import io
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.addresses import AddressError, parse_address
from core.facts import Answer

MAX_FILE = 1024 * 1024  # octets; about 10,000 people
MAX_LINE = 1000  # characters; tomllib needs time and memory by the square of a dotted key's length
MAX_SUBJECT = 255  # characters, OpenID Connect Core 1.0 §2
MAX_SENTENCES = 20
NAME = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")
TEAM = re.compile(r"[a-z0-9][a-z0-9._+-]{0,99}")
LETTERS = "a letter or digit and then a-z, 0-9, dot, hyphen, underscore or plus"
COLUMNS = ("id", "email", "name", "display_name", "teams", "code_of_conduct")
FORMULA = ("=", "+", "-", "@")
SPOILT_NUMBER = re.compile(r"[0-9][.,]?[0-9]*E\+[0-9]+", re.ASCII)
YES_OR_NO = {"yes": True, "true": True, "no": False, "false": False, "": None}


class RosterProblem(Exception):
    """The file says nothing that can be relied on; `sentences` say why, for the operator."""

    def __init__(self, *sentences: str) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences


@dataclass(frozen=True)
class Entry:
    """One person of the roster, known by a subject or else by a proven address."""

    name: str
    subject: str | None = None
    email_key: str | None = None
    """The address in the form in which two spellings are equal (`core.addresses.Address.key`)."""
    display_name: str = ""
    teams: frozenset[str] = frozenset()
    coc_signed: Answer = Answer.UNKNOWN


@dataclass(frozen=True)
class Roster:
    """A whole roster; no name, subject or address is in it twice."""

    entries: tuple[Entry, ...]
    _by_subject: Mapping[str, Entry] = field(init=False, repr=False, compare=False)
    _by_email: Mapping[str, Entry] = field(init=False, repr=False, compare=False)
    _by_name: Mapping[str, Entry] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        indexes = {"_by_subject": "subject", "_by_email": "email_key", "_by_name": "name"}
        for index, key in indexes.items():
            found = {getattr(entry, key): entry for entry in self.entries if getattr(entry, key)}
            object.__setattr__(self, index, found)

    def find(self, subject: str, email: str | None) -> Entry | None:
        """Find who signs in: by the subject, else by an address that the provider has proven."""
        if subject in self._by_subject:
            return self._by_subject[subject]
        return self._by_email.get(_email_key(email) or "") if email else None

    def named(self, name: str) -> Entry | None:
        """Find a person by name."""
        return self._by_name.get(name)

    def team(self, name: str) -> list[Entry]:
        """Return everyone in a team."""
        return [entry for entry in self.entries if name in entry.teams]


def read_roster(path: Path) -> Roster:
    """Read and check a roster file, `.toml` or `.csv`.

    Raises RosterProblem when it is missing, unreadable, not whole, empty, too large, or wrong in
    any place.
    """
    text = _read(path)
    if path.suffix == ".toml":
        rows = _toml_rows(text)
    elif path.suffix == ".csv":
        rows = _csv_rows(text)
    else:
        raise RosterProblem("A roster file is named .toml or .csv.")
    return _check_all(rows)


def _read(path: Path) -> str:
    """Read the whole text of a regular file that nobody is writing at this moment."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return _decode(_read_all(descriptor))
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise RosterProblem("The roster file is not there.") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise RosterProblem(f"The roster file cannot be read ({type(error).__name__}).") from None


def _read_all(descriptor: int) -> bytes:
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        raise RosterProblem("The roster is not a plain file.")
    with open(descriptor, "rb", closefd=False) as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise RosterProblem(f"The roster file is larger than {MAX_FILE} octets.")
    if (before.st_mtime_ns, before.st_size) != (os.fstat(descriptor).st_mtime_ns, len(data)):
        raise RosterProblem("The roster file is being written just now.")
    return data


def _decode(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise RosterProblem(f"Line {number} is not UTF-8. Save the file as UTF-8.") from None
    if not text.strip():
        raise RosterProblem("The roster file is empty.")
    if not text.endswith("\n"):
        raise RosterProblem("The last line does not end with a line break: the file may not be whole.")
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE:
            raise RosterProblem(f"Line {number} has more than {MAX_LINE} characters.")
        if any(char < " " and char not in "\t\r" for char in line):
            raise RosterProblem(f"Line {number} has a control character in it.")
    return text


Row = tuple[str, Mapping[str, Any]]
"""Where it stands in the file, in words; and its fields."""


def _toml_rows(text: str) -> list[Row]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at .*\)$", str(error))  # the rest of the message may hold a value
        raise RosterProblem(f"The file is no TOML {place[0] if place else ''}.") from None
    except (ValueError, RecursionError) as error:  # huge numbers, deep nesting
        raise RosterProblem(f"The file is no TOML that can be read ({type(error).__name__}).") from None
    people = document.pop("people", None)
    if document or not isinstance(people, list) or not all(isinstance(row, dict) for row in people):
        raise RosterProblem("The file must hold [[people]] tables and nothing else.")
    return [(f"Person {number}", row) for number, row in enumerate(people, 1)]


def _csv_rows(text: str) -> list[Row]:
    """Read a table with a header; its separator is the one that the header has."""
    separator = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error:
        raise RosterProblem(f"Line {reader.line_num} is no CSV: look at its quotation marks.") from None
    if not lines:
        raise RosterProblem("The roster file is empty.")
    header = [name.strip() for name in lines[0][1]]
    if len(set(header)) != len(header) or not set(header) <= set(COLUMNS) or "name" not in header:
        raise RosterProblem(f"The first line must name columns out of: {', '.join(COLUMNS)}.")
    return [(f"Line {number}", _csv_row(number, header, cells)) for number, cells in lines[1:]]


def _csv_row(number: int, header: list[str], cells: list[str]) -> dict[str, Any]:
    cells = [cell.strip() for cell in cells]
    if len(cells) != len(header):
        raise RosterProblem(f"Line {number} has {len(cells)} fields, the first line has {len(header)}.")
    if any(cell.startswith(FORMULA) for cell in cells):
        raise RosterProblem(
            f"Line {number} has a field that begins with =, +, - or @, which spreadsheets run as a "
            "formula. Where such a value is right, write the roster as TOML."
        )
    row: dict[str, Any] = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    if "teams" in row:
        row["teams"] = row["teams"].split()
    if "code_of_conduct" in row:
        word = row["code_of_conduct"].lower()
        row["code_of_conduct"] = YES_OR_NO.get(word, word)
    return row


def _check_all(rows: list[Row]) -> Roster:
    """Make entries of the rows; raises RosterProblem with a sentence for each that is wrong."""
    if not rows:
        raise RosterProblem("The roster holds nobody.")
    entries: list[Entry] = []
    sentences: list[str] = []
    seen: dict[tuple[str, str], str] = {}
    for place, row in rows:
        wrong = [f"{place}: {what}." for what in _faults(row)]
        if not wrong:
            entry = _entry(row)
            wrong = [f"{place}: {what}." for what in _seen_before(entry, place, seen)]
            entries.append(entry)
        sentences += wrong
        if len(sentences) >= MAX_SENTENCES:
            break
    if sentences:
        raise RosterProblem(*sentences[:MAX_SENTENCES])
    return Roster(tuple(entries))


def _faults(row: Mapping[str, Any]) -> Iterator[str]:
    """Say everything that is wrong with one person's fields."""
    unknown = [key for key in row if key not in COLUMNS]
    if unknown:
        yield f"only {', '.join(COLUMNS)} are known here, and {len(unknown)} other fields were given"
    if not NAME.fullmatch(_text(row.get("name"))):
        yield f"`name` must be {LETTERS}, 64 characters at most"
    if ("id" in row) == ("email" in row):
        yield "exactly one of `id` and `email` says who this is"
    elif "id" in row:
        yield from _id_faults(row["id"])
    elif _email_key(row["email"]) is None:
        yield "`email` is no mail address"
    if not isinstance(row.get("display_name", ""), str):
        yield "`display_name` must be a text"
    teams = row.get("teams", [])
    if not isinstance(teams, list) or not all(TEAM.fullmatch(_text(team)) for team in teams):
        yield f"`teams` must be names of teams, each {LETTERS}"
    if not isinstance(row.get("code_of_conduct", False), bool):
        yield "`code_of_conduct` must be true or false (in CSV yes, no or nothing)"


def _id_faults(subject: object) -> Iterator[str]:
    text = _text(subject)
    if not text.isascii() or not text.isprintable() or not 0 < len(text) <= MAX_SUBJECT:
        yield f"`id` must be a text of 1 to {MAX_SUBJECT} printable ASCII characters"
    elif SPOILT_NUMBER.fullmatch(text):
        yield "`id` is a long number that a spreadsheet has rounded. Mark the column as text"


def _seen_before(entry: Entry, place: str, seen: dict[tuple[str, str], str]) -> Iterator[str]:
    """Say which of the person's keys another person has already."""
    keys = {"name": entry.name, "id": entry.subject, "email": entry.email_key}
    for key, value in keys.items():
        if value is None:
            continue
        first = seen.setdefault((key, value), place)
        if first != place:
            yield f"this `{key}` is also that of {first.lower()}"


def _entry(row: Mapping[str, Any]) -> Entry:
    signed = row.get("code_of_conduct")
    return Entry(
        name=row["name"],
        subject=row.get("id"),
        email_key=_email_key(row.get("email")),
        display_name=row.get("display_name", ""),
        teams=frozenset(row.get("teams", ())),
        coc_signed=Answer.UNKNOWN if signed is None else Answer.YES if signed else Answer.NO,
    )


def _email_key(text: object) -> str | None:
    try:
        return parse_address(_text(text)).key
    except AddressError:
        return None


def _text(value: object) -> str:
    """Return a text as it is; anything else as an empty one, which no rule here takes."""
    return value if isinstance(value, str) else ""


def all_teams(entries: Iterable[Entry]) -> set[str]:
    """Return every team that somebody is in."""
    return {team for entry in entries for team in entry.teams}
