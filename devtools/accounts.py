"""What the pretend world is made of: accounts, teams, memberships and their statuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """Launchpad's account statuses, in its own words."""

    ACTIVE = "Active"
    DEACTIVATED = "Deactivated"
    SUSPENDED = "Suspended"
    CLOSED = "Closed"


class MembershipStatus(StrEnum):
    """Launchpad's team membership statuses, in its own words."""

    PROPOSED = "Proposed"
    APPROVED = "Approved"
    ADMINISTRATOR = "Administrator"
    DEACTIVATED = "Deactivated"
    EXPIRED = "Expired"


ACTIVE = (MembershipStatus.APPROVED, MembershipStatus.ADMINISTRATOR)


@dataclass(frozen=True, slots=True)
class Account:
    """A person.

    `suffixes` are the opaque ends of the OpenID claimed ids; the first one signs in. `email` is the
    preferred address, None if there is none; `email_verified` is Ubuntu One's word on it.
    `sso_active` is Ubuntu One's own switch, apart from Launchpad's `status`. Someone with an Ubuntu One
    account only has `on_launchpad` False. `note` is what the pretend sign-in page says of the person.
    """

    name: str
    display_name: str
    suffixes: tuple[str, ...]
    date_created: datetime
    email: str | None = None
    email_verified: bool = True
    coc_signed: bool = True
    status: Status = Status.ACTIVE
    karma: int = 100
    time_zone: str = "UTC"
    language: str = "en"
    note: str = ""
    on_launchpad: bool = True
    sso_active: bool = True
    merged: bool = False

    @property
    def is_valid(self) -> bool:
        """Launchpad's `is_valid`: active, not merged, and with a preferred address."""
        return self.status is Status.ACTIVE and not self.merged and self.email is not None


@dataclass(frozen=True, slots=True)
class Team:
    """A team; who is in it is asked of the World."""

    name: str
    display_name: str
    date_created: datetime
    owner: str = "team-owner"
    private: bool = False


@dataclass(frozen=True, slots=True)
class Membership:
    """One direct membership of a person or team in a team."""

    status: MembershipStatus
    date_joined: datetime
    date_expires: datetime | None = None

    @property
    def is_active(self) -> bool:
        """Approved or Administrator."""
        return self.status in ACTIVE
