"""Launchpad's JSON: entries of people, teams and memberships, and pages of collections."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from devtools.accounts import Account, Membership, Status, Team
from devtools.faults import Fault, FaultKind

REDACTED = "tag:launchpad.net:2008:redacted"

COLLECTIONS = (
    *("admins", "confirmed_email_addresses", "deactivated_members", "expired_members", "gpg_keys"),
    *("invited_members", "irc_nicknames", "jabber_ids", "languages", "members", "members_details"),
    *("memberships_details", "open_membership_invitations", "participants", "ppas", "proposed_members"),
    *("recipes", "social_accounts", "sshkeys", "sub_teams", "super_teams", "wiki_names"),
)

_BLANK = {
    "archive_link": None,
    "description": None,
    "hide_email_addresses": True,
    "homepage_content": None,
    "id": REDACTED,
    "latitude": None,
    "longitude": None,
    "mailing_list_auto_subscribe_policy": "Ask me when I join a team",
}

_TEAM_ONLY = {
    "default_membership_period": 730,
    "default_renewal_period": 730,
    "membership_policy": "Restricted Team",
    "renewal_policy": "invite them to apply for renewal",
    "subscription_policy": "Restricted Team",
    "team_description": None,
}


@dataclass(frozen=True)
class Site:
    """Where entries say they live: the API's root with its version, and the web site's root."""

    api: str  # http://127.0.0.1:1234/devel/
    web: str  # http://127.0.0.1:1234/

    @property
    def is_devel(self) -> bool:
        """Whether this is the moving version of the API."""
        return self.api.endswith("/devel/")


@lru_cache(maxsize=32)
def _template(site: Site, is_team: bool) -> str:
    """An entry as JSON in which only what differs between people is left open, as %(...)s.

    A page has 300 entries of 3 kB; filling a template takes a tenth of dumping each entry anew.
    """
    me = f"{site.api}~%(name)s"
    entry: dict[str, Any] = _BLANK | {f"{name}_collection_link": f"{me}/{name}" for name in COLLECTIONS}
    for key in ("display_name", "date_created", "time_zone", "http_etag", "karma", "is_valid"):
        entry[key] = f"%({key})s"
    entry |= {
        "self_link": me,
        "web_link": f"{site.web}~%(name)s",
        "resource_type_link": f"{site.api}#{'team' if is_team else 'person'}",
        "name": "%(json_name)s",
        "is_team": is_team,
        "is_ubuntu_coc_signer": "%(coc)s",
        "is_probationary": "%(probationary)s",
        "private": "%(private)s",
        "visibility": "%(visibility)s",
        "logo_link": f"{me}/logo",
        "mugshot_link": f"{me}/mugshot",
        "preferred_email_address_link": "%(email)s",
        "team_owner_link": "%(owner)s",
    }
    if is_team:
        entry |= _TEAM_ONLY
    if site.is_devel:
        entry |= {"account_status": "%(account_status)s", "account_status_history": REDACTED}
    return re.sub(r'"(%\((?!name\))\w+\)s)"', r"\1", json.dumps(entry, sort_keys=True))


def etag(entry: Account | Team, site: Site) -> str:
    """The entity tag of an entry, quotes included: two hashes joined by a dash."""
    return f'"{hash(entry) & 0xFFFFFFFFFFFF:012x}-{hash(site.api) & 0xFFFFFFFFFFFF:012x}"'


def entry_json(entry: Account | Team, site: Site) -> str:
    """A person or team as anonymous readers see it."""
    values = {
        "name": entry.name,
        "json_name": json.dumps(entry.name),
        "display_name": json.dumps(entry.display_name),
        "date_created": json.dumps(entry.date_created.isoformat()),
        "http_etag": json.dumps(etag(entry, site)),
    }
    if isinstance(entry, Team):
        values |= _team_values(entry, site)
    else:
        values |= _person_values(entry)
    return _template(site, isinstance(entry, Team)) % values


def _person_values(account: Account) -> dict[str, str]:
    has_email = account.email is not None and account.status in (Status.ACTIVE, Status.SUSPENDED)
    return {
        "time_zone": json.dumps(account.time_zone),
        "karma": str(account.karma),
        "is_valid": json.dumps(account.is_valid),
        "coc": json.dumps(account.coc_signed),
        "probationary": json.dumps(account.karma == 0),
        "private": "false",
        "visibility": '"Public"',
        "email": f'"{REDACTED}"' if has_email else "null",
        "owner": "null",
        "account_status": f'"{account.status}"',
    }


def _team_values(team: Team, site: Site) -> dict[str, str]:
    return {
        "time_zone": '"UTC"',
        "karma": "0",
        "is_valid": "true",
        "coc": "false",
        "probationary": "false",
        "private": json.dumps(team.private),
        "visibility": '"Private"' if team.private else '"Public"',
        "email": "null",
        "owner": json.dumps(f"{site.api}~{team.owner}"),
        "account_status": '"Unactivated"',
    }


def membership_json(team: Team, member: Account | Team, membership: Membership, site: Site) -> str:
    """A direct, active membership as an entry of `members_details` and `memberships_details`."""
    expires = membership.date_expires
    entry = {
        "self_link": f"{site.api}~{team.name}/+member/{member.name}",
        "web_link": f"{site.web}~{team.name}/+member/{member.name}",
        "resource_type_link": f"{site.api}#team_membership",
        "http_etag": f'"{hash(membership) & 0xFFFFFFFFFFFF:012x}-{hash(site.api) & 0xFFFFFFFFFFFF:012x}"',
        "team_link": f"{site.api}~{team.name}",
        "member_link": f"{site.api}~{member.name}",
        "status": str(membership.status),
        "date_joined": membership.date_joined.isoformat(),
        "date_expires": expires.isoformat() if expires else None,
        "last_changed_by_link": f"{site.api}~{team.owner}",
        "last_change_comment": None,
    }
    return json.dumps(entry, sort_keys=True)


@dataclass(frozen=True)
class Page:
    """Which part of which collection is wanted: `url` is the collection's own address."""

    url: str
    start: int
    size: int
    type_name: str = "person"


def page_json(
    page: Page, items: Sequence[Any], to_json: Callable[[Any], str], site: Site, fault: Fault | None
) -> str:
    """One page of a collection, in the shape that 1.0 and devel have, or bent by a collection's fault."""
    kind = fault.kind if fault else None
    if kind is FaultKind.EMPTY_COLLECTION:
        items = ()
    end = min(page.start + page.size, len(items))
    total = len(items) + (page.start // page.size if kind is FaultKind.TOTAL_SIZE_CHANGES else 0)
    head: dict[str, Any] = {"start": page.start}
    next_link = _next_link(page, kind) if kind in _NEXT_FAULTS or end < len(items) else None
    if next_link:
        head["next_collection_link"] = next_link
    if page.start > 0:
        head["prev_collection_link"] = _prev_link(page)
    if site.is_devel and next_link:
        head["total_size_link"] = f"{page.url}?ws.show=total_size"
    else:
        head["total_size"] = total
    head["resource_type_link"] = f"{site.api}#{page.type_name}-page-resource"
    entries = ", ".join(to_json(item) for item in items[page.start : end])
    return f'{json.dumps(head)[:-1]}, "entries": [{entries}]}}'


_NEXT_FAULTS = (FaultKind.FOREIGN_NEXT, FaultKind.REPEATING_NEXT)


def _next_link(page: Page, kind: FaultKind | None) -> str:
    start = page.start if kind is FaultKind.REPEATING_NEXT else page.start + page.size
    url = page.url
    if kind is FaultKind.FOREIGN_NEXT:
        url = re.sub(r"//[^/]+/", "//launchpad.foreign.example/", url)
    return f"{url}?{urlencode({'ws.size': page.size, 'memo': start, 'ws.start': start})}"


def _prev_link(page: Page) -> str:
    arguments = {"ws.size": page.size, "direction": "backwards", "memo": page.start}
    if page.start > page.size:
        arguments["ws.start"] = page.start - page.size
    return f"{page.url}?{urlencode(arguments)}"
