"""The pretend world: people, teams and who is in what, shared by all pretend servers.

An account is one on Launchpad and at Ubuntu One together. Everything here follows what the two say of
themselves: names move, OpenID suffixes stay, leaving keeps a trace, suspension keeps memberships.
"""

from __future__ import annotations

import itertools
import re
import secrets
import string
import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from devtools.accounts import ACTIVE, Account, Membership, MembershipStatus, Status, Team

NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
SUFFIX_LETTERS = string.ascii_letters + string.digits


class WorldError(ValueError):
    """What was asked cannot be: an unknown, taken or impossible name."""


Key = int | str  # an account's number in this world, or a team's name


class World:
    """People and teams that change; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self._accounts: dict[int, Account] = {}
        self._by_name: dict[str, int] = {}
        self._by_suffix: dict[str, int] = {}
        self._teams: dict[str, Team] = {}
        self._members: dict[str, dict[Key, Membership]] = {}
        self._groups: dict[Key, dict[str, Membership]] = {}  # the same, seen from the member
        self._participants: dict[str, list[Account | Team]] = {}  # cache, emptied by every change

    # -- making --------------------------------------------------------------------------------

    def add(self, account: Account, *teams: str) -> Account:
        """Adds an account, approved in these teams.

        Raises:
            WorldError: the name or a suffix is taken, or the name is none.
        """
        with self._lock:
            self._check_free(account.name)
            if any(suffix in self._by_suffix for suffix in account.suffixes):
                raise WorldError(f"a suffix of {account.name} is taken")
            self._store(next(self._numbers), account)
            for team in teams:
                self.join(account.name, team)
            return account

    def add_team(self, team: Team, members: Iterable[str] = (), expired: Iterable[str] = ()) -> Team:
        """Adds a team with direct members (people or teams) and with people whose time ran out."""
        with self._lock:
            self._check_free(team.name)
            self._teams[team.name] = team
            self._members[team.name] = {}
            for name in members:
                self.join(name, team.name)
            for name in expired:
                self.join(name, team.name)
                self.expire(name, team.name)
            self._participants.clear()
            return team

    def delete_team(self, name: str) -> None:
        """Takes a team away; Launchpad then answers 404 for it."""
        with self._lock:
            self.the_team(name)
            del self._teams[name]
            for key in self._members.pop(name):
                self._groups[key].pop(name, None)
            for parent in self._groups.pop(name, {}):
                self._members[parent].pop(name, None)
            self._participants.clear()

    def register(self, name: str, **fields: Any) -> Account:
        """A new account, made now under a free name, with a suffix nobody had."""
        fields = {"display_name": name.title(), "email": f"{name}@home.example.net"} | fields
        suffix = "".join(secrets.choice(SUFFIX_LETTERS) for _ in range(7))
        return self.add(Account(name=name, suffixes=(suffix,), date_created=datetime.now(UTC), **fields))

    # -- reading -------------------------------------------------------------------------------

    def account(self, name: str) -> Account | None:
        """The account which has this name now, whatever its state."""
        with self._lock:
            return self._accounts.get(self._by_name.get(name, 0))

    def by_suffix(self, suffix: str) -> Account | None:
        """The account which an OpenID suffix leads to now; after a merge the surviving one."""
        with self._lock:
            return self._accounts.get(self._by_suffix.get(suffix, 0))

    def accounts(self) -> list[Account]:
        """Everybody, in the order they were added."""
        with self._lock:
            return list(self._accounts.values())

    def team(self, name: str) -> Team | None:
        """The team of this name."""
        with self._lock:
            return self._teams.get(name)

    def teams(self) -> list[Team]:
        """All teams, in the order they were added."""
        with self._lock:
            return list(self._teams.values())

    def participants(self, team: str) -> list[Account | Team]:
        """Direct and indirect members, people and teams, by display name. The list is shared: copy it."""
        with self._lock:
            if team not in self._participants:
                found: set[Key] = set()
                self._descend(team, found)
                found.discard(team)
                self._participants[team] = self._in_order(found)
            return self._participants[team]

    def members(self, team: str, *statuses: MembershipStatus) -> list[Account | Team]:
        """Direct members with these statuses (the active ones if none is named), by display name."""
        with self._lock:
            wanted = statuses or ACTIVE
            found = {key for key, one in self._members.get(team, {}).items() if one.status in wanted}
            return self._in_order(found)

    def member_details(self, team: str) -> list[tuple[Account | Team, Membership]]:
        """Direct, active members with their memberships."""
        with self._lock:
            active = {key: one for key, one in self._members.get(team, {}).items() if one.is_active}
            return [(self._entry(key), one) for key, one in active.items()]

    def memberships(self, name: str) -> list[tuple[Team, Membership]]:
        """The teams which a person or team is a direct, active member of."""
        with self._lock:
            groups = self._groups.get(self._key(name), {})
            return [(self._teams[team], one) for team, one in groups.items() if one.is_active]

    def super_teams(self, name: str) -> list[Team]:
        """All teams which a person or team is in, directly or through other teams, by display name."""
        with self._lock:
            found: set[str] = set()
            self._ascend(self._key(name), found)
            return sorted((self._teams[team] for team in found), key=_order)

    def is_in(self, name: str, team: str) -> bool:
        """Whether a person is in a team, directly or through other teams."""
        return any(one.name == team for one in self.super_teams(name))

    # -- memberships ---------------------------------------------------------------------------

    def join(self, name: str, team: str, *, expires: datetime | None = None, admin: bool = False) -> None:
        """Makes a person or team a direct member."""
        status = MembershipStatus.ADMINISTRATOR if admin else MembershipStatus.APPROVED
        self._set_membership(name, team, Membership(status, datetime.now(UTC), expires))

    def leave(self, name: str, team: str) -> None:
        """Ends a direct membership as the member's own wish does."""
        self._end_membership(name, team, MembershipStatus.DEACTIVATED)

    def expire(self, name: str, team: str) -> None:
        """Ends a direct membership as the passing of its last day does."""
        self._end_membership(name, team, MembershipStatus.EXPIRED)

    # -- what happens to accounts --------------------------------------------------------------

    def update(self, name: str, /, **changes: Any) -> Account:
        """Changes any plain fields of an account (display_name, email, email_verified, karma ...)."""
        with self._lock:
            number = self._number(name)
            self._store(number, replace(self._accounts[number], **changes))
            return self._accounts[number]

    def rename(self, name: str, new_name: str) -> Account:
        """Gives an account a new name; the old one is free at once."""
        with self._lock:
            self._check_free(new_name)
            return self.update(name, name=new_name)

    def take_name(self, name: str, moved_to: str, taker: str | None = None) -> Account:
        """The holder of `name` moves to another one, and someone else has `name` from now on.

        `taker` is the present name of the one who takes it; without it somebody new registers it.
        """
        with self._lock:
            self.rename(name, moved_to)
            return self.rename(taker, name) if taker else self.register(name)

    def sign_coc(self, name: str) -> Account:
        """The person signs the Code of Conduct."""
        return self.update(name, coc_signed=True)

    def suspend(self, name: str, *, sso: bool = True) -> Account:
        """Suspends on Launchpad (memberships stay), and at Ubuntu One, too, unless `sso` is False."""
        account = self._required(name)
        return self.update(name, status=Status.SUSPENDED, sso_active=account.sso_active and not sso)

    def deactivate(self, name: str) -> Account:
        """The owner deactivates the account: new name, no memberships, no signature, no address."""
        with self._lock:
            self._leave_all(name)
            new_name = self._free_name(f"{name}-deactivatedaccount")
            return self.update(name, name=new_name, status=Status.DEACTIVATED, coc_signed=False)

    def reactivate(self, name: str) -> Account:
        """Ends suspension or deactivation; the old name comes back if it is still free."""
        with self._lock:
            old_name = re.sub(r"-deactivatedaccount\d*$", "", name)
            new_name = old_name if old_name not in self._by_name else name
            return self.update(name, name=new_name, status=Status.ACTIVE, sso_active=True)

    def close(self, name: str) -> Account:
        """Closes the account by request: its identifiers, address, memberships and names go."""
        with self._lock:
            self._leave_all(name)
            return self.update(
                name,
                name=self._free_name("removed", first=1),
                display_name="Removed by request",
                status=Status.CLOSED,
                suffixes=(),
                email=None,
                coc_signed=False,
                sso_active=False,
            )

    def merge(self, source: str, target: str) -> Account:
        """Merges one account into another, which gets its OpenID suffixes and memberships."""
        with self._lock:
            gone, kept = self._required(source), self._required(target)
            for team, membership in self.memberships(source):
                if all(team.name != has.name for has, _ in self.memberships(target)):
                    self._set_membership(target, team.name, membership)
            self._leave_all(source)
            self.update(source, name=self._free_name(f"{source}-merged"), suffixes=(), merged=True)
            return self.update(target, suffixes=kept.suffixes + gone.suffixes)

    # -- inside --------------------------------------------------------------------------------

    def the_team(self, name: str) -> Team:
        """The team of this name.

        Raises:
            WorldError: there is none.
        """
        team = self.team(name)
        if team is None:
            raise WorldError(f"no team {name}")
        return team

    def _required(self, name: str) -> Account:
        return self._accounts[self._number(name)]

    def _number(self, name: str) -> int:
        number = self._by_name.get(name)
        if number is None:
            raise WorldError(f"nobody is called {name}")
        return number

    def _key(self, name: str) -> Key:
        return name if name in self._teams else self._number(name)

    def _entry(self, key: Key) -> Account | Team:
        return self._teams[key] if isinstance(key, str) else self._accounts[key]

    def _in_order(self, keys: Iterable[Key]) -> list[Account | Team]:
        return sorted((self._entry(key) for key in keys), key=_order)

    def _check_free(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise WorldError(f"{name} cannot be a Launchpad name")
        if name in self._by_name or name in self._teams:
            raise WorldError(f"{name} is taken")

    def _free_name(self, stem: str, first: int | None = None) -> str:
        """`stem`, or `stem` with the first number that makes a free name."""
        numbered = (f"{stem}{number}" for number in itertools.count(first or 1))
        names = numbered if first else itertools.chain([stem], numbered)
        return next(name for name in names if name not in self._by_name)

    def _store(self, number: int, account: Account) -> None:
        old = self._accounts.get(number)
        if old is not None:
            del self._by_name[old.name]
            for suffix in old.suffixes:
                del self._by_suffix[suffix]
        self._accounts[number] = account
        self._by_name[account.name] = number
        self._by_suffix.update(dict.fromkeys(account.suffixes, number))
        self._participants.clear()

    def _set_membership(self, name: str, team: str, membership: Membership) -> None:
        with self._lock:
            self.the_team(team)
            key = self._key(name)
            self._members[team][key] = membership
            self._groups.setdefault(key, {})[team] = membership
            self._participants.clear()

    def _end_membership(self, name: str, team: str, status: MembershipStatus) -> None:
        with self._lock:
            self.the_team(team)
            old = self._members[team].get(self._key(name))
            if old is None or not old.is_active:
                raise WorldError(f"{name} is no direct member of {team}")
            self._set_membership(name, team, replace(old, status=status))

    def _leave_all(self, name: str) -> None:
        for team, _ in self.memberships(name):
            self.leave(name, team.name)

    def _descend(self, team: str, found: set[Key]) -> None:
        for key, membership in self._members.get(team, {}).items():
            if membership.is_active and key not in found:
                found.add(key)
                if isinstance(key, str):
                    self._descend(key, found)

    def _ascend(self, key: Key, found: set[str]) -> None:
        for team, membership in self._groups.get(key, {}).items():
            if membership.is_active and team not in found:
                found.add(team)
                self._ascend(team, found)


def _order(entry: Account | Team) -> tuple[str, str]:
    """Launchpad's order of collections: display name, then name."""
    return entry.display_name, entry.name
