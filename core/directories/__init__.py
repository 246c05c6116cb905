"""Where membership comes from: one small interface, one module a source."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.facts import Answer


class Deadline:
    """A time budget that several calls share."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._end - time.monotonic())


@dataclass(frozen=True, slots=True)
class Account:
    """One person's account at the directory, as it was read."""

    name: str
    created: str
    """`date_created` as the directory writes it; together with the name it tells accounts apart."""
    display_name: str
    valid: Answer
    coc_signed: Answer
    suspended: Answer = Answer.UNKNOWN


@dataclass(frozen=True)
class AccountReading:
    """Is there an account for this identity? *No* is a clear answer, *unknown* is none."""

    answer: Answer
    account: Account | None = None
    why: str = ""
    """For the log: what went wrong when it is unknown. Holds no personal data."""


@dataclass(frozen=True)
class TeamsReading:
    """All teams a person is in, directly or through other teams; None when unknown."""

    teams: frozenset[str] | None
    why: str = ""
    suspended: Answer = Answer.UNKNOWN
    """*Yes* when the directory refuses to show them because the account is suspended."""


@dataclass(frozen=True)
class MembersReading:
    """All people of a team, directly or through other teams; None when unknown."""

    members: tuple[Account, ...] | None
    why: str = ""
    gone: bool = False
    """Whether the directory clearly says that there is no such team: for an admin to judge."""


@dataclass(frozen=True)
class IdentityReading:
    """Which identity signs in under a name? *No* is a clear answer, *unknown* is none."""

    answer: Answer
    issuer: str | None = None
    subject: str | None = None
    """For Ubuntu One the claimed id."""
    born: datetime | None = None
    """When the account was made; None where the directory does not know."""
    why: str = ""
    """For the log: what went wrong when it is unknown. Holds no personal data."""


Progress = Callable[[int, int | None], None]
"""Told after each page of a team: how many entries were read, and of how many, if that is known."""


def no_progress(_read: int, _total: int | None) -> None:
    """Tell nobody."""


class NameDirectory(Protocol):
    """A source that finds people by their names. Does not raise: trouble is an unknown answer."""

    def identify(self, name: str, deadline: Deadline) -> IdentityReading:
        """Find the identity of the account that has this name now; it proves nothing of earlier days."""


class Directory(Protocol):
    """A source of people and teams. No method raises: trouble is an unknown answer."""

    def resolve(
        self, subject: str, deadline: Deadline, *, issuer: str = "", email: str | None = None
    ) -> AccountReading:
        """Find the account of an identity.

        subject: for Ubuntu One the claimed id. issuer: the sign-in provider that says so. email: the
        sign-in address, only if that provider has proven it.
        """

    def teams_of(self, name: str, deadline: Deadline) -> TeamsReading:
        """Read the teams of one account."""

    def members(self, team: str, deadline: Deadline, progress: Progress = no_progress) -> MembersReading:
        """Read the members of one team."""
