"""Launchpad's web service, read without signing in (https://api.launchpad.net/, versions 1.0 and devel)."""

import contextlib
import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx

from core.directories import (
    Account,
    AccountReading,
    Deadline,
    MembersReading,
    Progress,
    TeamsReading,
    no_progress,
)
from core.facts import Answer
from core.http import Fetcher

PAGE_SIZE = 300
MAX_PAGES = 1000
MAX_ANSWER = 16 * 1024 * 1024  # octets; a page of 300 people is about 1 MB
STARTS = 4
"""So often a collection is begun that changes while it is read."""
TRIES = 7
REQUESTS_AT_ONCE = 16
"""Requests under way of one process, however many threads ask."""
REQUEST_SECONDS = 60.0
MOST_REMEMBERED = 1000
RETRIED = frozenset({429, 502, 503, 504})
MAX_NAME, MAX_DATE = 100, 40  # characters; what the tables hold
STATUSES = frozenset("Active Closed Deactivated Deceased Placeholder Suspended Unactivated".split())
NAME = re.compile(r"[a-z0-9][a-z0-9.+-]+")
TAG = re.compile(r'(W/)?"[!#-~]{1,200}"')
REDACTED = "tag:launchpad.net:2008:redacted"
UNCHANGED = object()
"""In place of an entry that has not changed since it was read (status 304)."""

Entry = dict[str, Any]
T = TypeVar("T")


class Unclear(Exception):
    """Launchpad did not answer, or not in a way that says anything. The text holds no personal data."""


class Changed(Exception):
    """A collection changed while its pages were read: pages are offsets, so somebody may be missing."""


class Gone(Exception):
    """Launchpad clearly said that there is nothing of that name (404) or nothing to show (410)."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.text = text
        """What it said; for reading only, since it holds a name."""


class Launchpad:
    """`core.directories.Directory` over httpx; safe to share between threads."""

    def __init__(self, api_url: str, user_agent: str) -> None:
        self._root = api_url
        self._fetcher = Fetcher({"User-Agent": user_agent, "Accept": "application/json"})
        self._slots = threading.BoundedSemaphore(REQUESTS_AT_ONCE)
        self._resolved: dict[str, tuple[str, str]] = {}
        """By name, the entity tag and the birth of the account that `resolve` last found under it."""

    def resolve(
        self, subject: str, deadline: Deadline, *, issuer: str = "", email: str | None = None
    ) -> AccountReading:
        """Find the account of a claimed id, whatever it is called by now; the id says it all."""
        query = urlencode({"ws.op": "getByOpenIDIdentifier", "identifier": subject})
        try:
            entry = self._get(f"{self._root}devel/people?{query}", deadline)
            if entry is None:
                return AccountReading(Answer.NO)
            account = _account(entry)
        except (Unclear, Gone) as error:
            return AccountReading(Answer.UNKNOWN, why=str(error))
        if len(self._resolved) >= MOST_REMEMBERED:
            self._resolved.clear()
        self._resolved[account.name] = (_tag(entry), account.created)
        return AccountReading(Answer.YES, account)

    def teams_of(self, name: str, deadline: Deadline) -> TeamsReading:
        """Read the public teams of one account, indirect ones too (`super_teams`).

        The name may have gone over to somebody else since `resolve` found it: afterwards its entry is
        asked for once more, and only the same account's teams count.
        """
        url = f"{self._root}1.0/~{quote(name, safe='')}/super_teams?ws.size={PAGE_SIZE}"
        try:
            teams = self._collect(url, lambda entry: _text(entry, "name"), deadline)
            self._check_still(name, deadline)
        except Gone as error:
            suspended = error.status == 410 and f"User is suspended: ~{name}" in error.text
            return TeamsReading(None, str(error), Answer.YES if suspended else Answer.UNKNOWN)
        except Unclear as error:
            return TeamsReading(None, why=str(error))
        return TeamsReading(frozenset(teams))

    def _check_still(self, name: str, deadline: Deadline) -> None:
        tag, created = self._resolved.get(name, ("", ""))
        if not created:
            return
        entry = self._get(f"{self._root}devel/~{quote(name, safe='')}", deadline, tag)
        if entry is not UNCHANGED and _account(entry).created != created:
            raise Unclear("the name has gone over to another account")

    def members(self, team: str, deadline: Deadline, progress: Progress = no_progress) -> MembersReading:
        """Read all people of a team; a page that fails makes the whole reading unknown."""
        url = f"{self._root}1.0/~{quote(team, safe='')}/participants?ws.size={PAGE_SIZE}"
        try:
            accounts = self._collect(url, _member, deadline, progress)
        except Gone as error:
            return MembersReading(None, str(error), gone=error.status == 404)
        except Unclear as error:
            return MembersReading(None, why=str(error))
        people = {account.name: account for account in accounts if account is not None}
        return MembersReading(tuple(people.values()))

    def _collect(
        self, url: str, read: Callable[[Entry], T], deadline: Deadline, progress: Progress = no_progress
    ) -> list[T]:
        """Read a whole collection, from its beginning again when it changes meanwhile."""
        for _ in range(STARTS):
            found: list[T] = []
            try:
                for entries, total in self._pages(url, deadline):
                    found += [read(entry) for entry in entries]
                    progress(len(found), total)
                return found
            except Changed:
                continue
        raise Unclear("a collection changed each time it was read")

    def _pages(self, url: str, deadline: Deadline) -> Iterator[tuple[list[Entry], int | None]]:
        """Yield the pages of a collection; next links must stay on this host and move on. Raises Changed."""
        seen: set[str] = set()
        totals: set[int] = set()
        origin = _origin(self._root)
        while True:
            if url in seen or len(seen) >= MAX_PAGES:
                raise Unclear("the pages of a collection repeat themselves")
            if _origin(url) != origin:
                raise Unclear("the next page is on another host")
            seen.add(url)
            page = self._get(url, deadline)
            entries = page.get("entries") if isinstance(page, dict) else None
            if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
                raise Unclear("a page of a collection has no entries")
            total = page.get("total_size")
            totals |= {total} if isinstance(total, int) else set()
            if len(totals) > 1:
                raise Changed
            yield entries, total if isinstance(total, int) else None
            if "next_collection_link" not in page:
                return
            url = _text(page, "next_collection_link")

    def _get(self, url: str, deadline: Deadline, tag: str = "") -> Any:
        """Fetch one JSON answer, trying again on the errors that pass by themselves.

        tag: of an entry that is known; the answer is UNCHANGED when it is still the same.
        """
        headers = {"If-None-Match": tag} if tag else {}
        for attempt in range(TRIES):
            try:
                response = self._fetch(url, deadline, headers)
            except (httpx.InvalidURL, ValueError) as error:
                raise Unclear("an address that cannot be read") from error
            except httpx.HTTPError as error:
                problem, pause = f"no answer ({type(error).__name__})", 2.0**attempt / 4
            else:
                if response.status_code == 304 and tag:
                    return UNCHANGED
                if response.status_code not in RETRIED:
                    return _json(response)
                problem, pause = f"status {response.status_code}", _pause(response, attempt)
            pause *= random.uniform(1.0, 1.3)  # noqa: S311 -- spreads retries, keeps no secret
            if attempt == TRIES - 1 or pause >= deadline.remaining:
                break
            time.sleep(pause)
        raise Unclear(problem)

    def _fetch(self, url: str, deadline: Deadline, headers: dict[str, str]) -> httpx.Response:
        """Send one request when fewer than the limit are under way; whoever waits to try again has none."""
        if not self._slots.acquire(timeout=deadline.remaining):
            raise httpx.PoolTimeout("too many requests are under way")
        try:
            one = Deadline(min(deadline.remaining, REQUEST_SECONDS))
            return self._fetcher.fetch(url, one, most=MAX_ANSWER, headers=headers)
        finally:
            self._slots.release()


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Unclear("an address that cannot be read") from None
    return parts.scheme, parts.netloc


def _pause(response: httpx.Response, attempt: int) -> float:
    """Seconds to wait: 0, 1, 2, 4 ... as Launchpad's own client, or what it asks for (RFC 9110 §10.2.3)."""
    own, asked = float((0, 1, 2, 4, 8, 16, 16)[attempt]), response.headers.get("Retry-After", "")
    if asked.isascii() and asked.isdigit():
        return max(own, float(asked))
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(own, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    return own


def _json(response: httpx.Response) -> Any:
    """Read an answer; error bodies are plain text and say little but their status."""
    if response.status_code in (404, 410):
        raise Gone(response.status_code, response.text[:1000])
    if response.status_code != 200:
        raise Unclear(f"status {response.status_code}")
    if not response.headers.get("Content-Type", "").startswith("application/json"):
        raise Unclear("the answer is no JSON")
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        raise Unclear("the answer is broken JSON") from None


def _tag(entry: Entry) -> str:
    """Return an entry's entity tag (RFC 9110 §8.8.3), or an empty text when it can be none."""
    tag = entry.get("http_etag")
    return tag if isinstance(tag, str) and TAG.fullmatch(tag) else ""


def _member(entry: Entry) -> Account | None:
    """Read an entry of a team; None for a team inside it."""
    return None if entry.get("is_team") is True else _account(entry)


def _account(entry: Any) -> Account:
    """Read a person's entry; only what is used, and a missing flag is unknown."""
    if not isinstance(entry, dict) or entry.get("is_team") is not False:
        raise Unclear("an entry is no person")
    return Account(
        _name(entry),
        _text(entry, "date_created", MAX_DATE),
        _text(entry, "display_name"),
        _answer(entry.get("is_valid")),
        _answer(entry.get("is_ubuntu_coc_signer")),
        _suspended(entry.get("account_status")),
    )


def _suspended(status: object) -> Answer:
    """Read `account_status` of version devel; whatever is none of its words says nothing."""
    word = status.split()[0] if isinstance(status, str) and status.strip() else ""
    return _answer(word == "Suspended") if word in STATUSES else Answer.UNKNOWN


def _answer(value: object) -> Answer:
    """Read a flag: only a real boolean says anything."""
    return {True: Answer.YES, False: Answer.NO}[value] if isinstance(value, bool) else Answer.UNKNOWN


def _storable(text: str) -> bool:
    """Whether a database can hold the text: no NUL, no lone surrogate."""
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _name(entry: dict[str, Any]) -> str:
    name = _text(entry, "name", MAX_NAME)
    if not NAME.fullmatch(name):
        raise Unclear("an entry has a name that Launchpad does not allow")
    return name


def _text(entry: dict[str, Any], key: str, longest: int = 100_000) -> str:
    value = entry.get(key)
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= longest
        or value == REDACTED
        or not _storable(value)
    ):
        raise Unclear(f"an entry has no {key}")
    return value
