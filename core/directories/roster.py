"""A roster file as directory: for a small team that has no Launchpad.

An account is a person of the file as one identity may have it: its `created` is a hash of that
identity. Whoever takes over a name, or a mail address that the file names, is another account, and
gets nothing of the earlier one's.
"""

import hashlib
import threading
from pathlib import Path

from core.directories import (
    Account,
    AccountReading,
    Deadline,
    IdentityReading,
    MembersReading,
    Progress,
    TeamsReading,
    no_progress,
)
from core.directories.roster_file import Entry, Roster, RosterProblem, read_roster
from core.facts import Answer

Version = tuple[int, int, int]
"""Of a file: when it was changed, its size and its inode."""


class RosterDirectory:
    """`core.directories.Directory` over a file; safe to share between threads.

    Looks at the file at every question, and reads it again when it has changed. issuer: the one
    sign-in provider whose subjects the file names.
    """

    def __init__(self, path: Path, issuer: str) -> None:
        self._path = path
        self._issuer = issuer
        self._lock = threading.Lock()
        self._kept: tuple[Version, Roster] | None = None

    def resolve(
        self, subject: str, deadline: Deadline, *, issuer: str = "", email: str | None = None
    ) -> AccountReading:
        """Find the entry of an identity, by its subject or else by its proven address."""
        if issuer != self._issuer:
            return AccountReading(Answer.UNKNOWN, why="an identity of another sign-in provider")
        try:
            entry = self._roster().find(subject, email)
        except RosterProblem as problem:
            return AccountReading(Answer.UNKNOWN, why=str(problem))
        if entry is None:
            return AccountReading(Answer.NO)
        return AccountReading(Answer.YES, self._account(entry, subject))

    def identify(self, name: str, deadline: Deadline) -> IdentityReading:
        """Find the subject of an entry; one that is known by an address alone has none to tell."""
        try:
            entry = self._roster().named(name)
        except RosterProblem as problem:
            return IdentityReading(Answer.UNKNOWN, why=str(problem))
        if entry is None or entry.subject is None:
            return IdentityReading(Answer.NO)
        return IdentityReading(Answer.YES, self._issuer, entry.subject)

    def teams_of(self, name: str, deadline: Deadline) -> TeamsReading:
        """Read the teams of one entry."""
        try:
            entry = self._roster().named(name)
        except RosterProblem as problem:
            return TeamsReading(None, why=str(problem))
        if entry is None:  # taken out between two questions: the next `resolve` says so clearly
            return TeamsReading(None, why="the roster has changed meanwhile")
        return TeamsReading(entry.teams)

    def members(self, team: str, deadline: Deadline, progress: Progress = no_progress) -> MembersReading:
        """Read a team. Who is known by an address alone is counted, and has to be asked for by identity."""
        try:
            entries = self._roster().team(team)
        except RosterProblem as problem:
            return MembersReading(None, why=str(problem))
        return MembersReading(tuple(self._account(entry, entry.subject) for entry in entries))

    def _account(self, entry: Entry, subject: str | None) -> Account:
        created = account_mark(self._issuer, subject) if subject is not None else ""
        return Account(entry.name, created, entry.display_name, Answer.YES, entry.coc_signed, Answer.NO)

    def _roster(self) -> Roster:
        """Return what the file says now; raises RosterProblem."""
        with self._lock:
            version = self._version()
            if self._kept is None or self._kept[0] != version:
                self._kept = None
                self._kept = (version, read_roster(self._path))
            return self._kept[1]

    def _version(self) -> Version:
        try:
            found = self._path.stat()
        except (OSError, ValueError):
            return (0, 0, 0)  # reading it says what is wrong
        return (found.st_mtime_ns, found.st_size, found.st_ino)


def account_mark(issuer: str, subject: str) -> str:
    """Return what tells the accounts of two identities apart, 40 characters."""
    return hashlib.sha256(f"{issuer}\n{subject}".encode()).hexdigest()[:40]
