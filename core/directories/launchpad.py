"""Launchpad's web service, read without signing in (https://api.launchpad.net/, versions 1.0 and devel)."""

import json
import random
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from core.directories import Account, AccountReading, Deadline, MembersReading, TeamsReading
from core.facts import Answer
from core.http import Fetcher

PAGE_SIZE = 300
MAX_PAGES = 1000
MAX_ANSWER = 16 * 1024 * 1024  # octets; a page of 300 people is about 1 MB
TRIES = 5
RETRIED = frozenset({429, 502, 503, 504})
MAX_NAME, MAX_DATE = 100, 40  # characters; what the tables hold
STATUSES = frozenset("Active Closed Deactivated Deceased Placeholder Suspended Unactivated".split())
NAME = re.compile(r"[a-z0-9][a-z0-9.+-]+")
REDACTED = "tag:launchpad.net:2008:redacted"


class Unclear(Exception):
    """Launchpad did not answer, or not in a way that says anything. The text holds no personal data."""


class Gone(Exception):
    """Launchpad clearly said that there is nothing of that name (404) or nothing to show (410)."""


class Launchpad:
    """`core.directories.Directory` over httpx; safe to share between threads."""

    def __init__(self, api_url: str, user_agent: str) -> None:
        self._root = api_url
        self._fetcher = Fetcher({"User-Agent": user_agent, "Accept": "application/json"})

    def resolve(
        self, subject: str, deadline: Deadline, *, issuer: str = "", email: str | None = None
    ) -> AccountReading:
        """Find the account of a claimed id, whatever it is called by now; the id says it all."""
        query = urlencode({"ws.op": "getByOpenIDIdentifier", "identifier": subject})
        try:
            entry = self._get(f"{self._root}devel/people?{query}", deadline)
            if entry is None:
                return AccountReading(Answer.NO)
            return AccountReading(Answer.YES, _account(entry))
        except (Unclear, Gone) as error:
            return AccountReading(Answer.UNKNOWN, why=str(error))

    def teams_of(self, name: str, deadline: Deadline) -> TeamsReading:
        """Read the public teams of one account, indirect ones too (`super_teams`)."""
        url = f"{self._root}1.0/~{quote(name, safe='')}/super_teams?ws.size={PAGE_SIZE}"
        try:
            return TeamsReading(frozenset(_text(entry, "name") for entry in self._entries(url, deadline)))
        except (Unclear, Gone) as error:
            return TeamsReading(None, why=str(error))

    def members(self, team: str, deadline: Deadline) -> MembersReading:
        """Read all people of a team; a page that fails makes the whole reading unknown."""
        url = f"{self._root}1.0/~{quote(team, safe='')}/participants?ws.size={PAGE_SIZE}"
        try:
            people = {
                account.name: account
                for account in (
                    _account(e) for e in self._entries(url, deadline) if e.get("is_team") is False
                )
            }
        except (Unclear, Gone) as error:
            return MembersReading(None, why=str(error))
        return MembersReading(tuple(people.values()))

    def _entries(self, url: str, deadline: Deadline) -> Iterator[dict[str, Any]]:
        """Yield the entries of a collection, page by page; next links must stay on this host and move on."""
        seen: set[str] = set()
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
            yield from entries
            if "next_collection_link" not in page:
                return
            url = _text(page, "next_collection_link")

    def _get(self, url: str, deadline: Deadline) -> Any:
        """Fetch one JSON answer, trying again on the errors that pass by themselves."""
        for attempt in range(TRIES):
            try:
                response = self._fetcher.fetch(url, deadline, most=MAX_ANSWER)
            except (httpx.InvalidURL, ValueError) as error:
                raise Unclear("an address that cannot be read") from error
            except httpx.HTTPError as error:
                problem, pause = f"no answer ({type(error).__name__})", 2.0**attempt / 4
            else:
                if response.status_code not in RETRIED:
                    return _json(response)
                problem, pause = f"status {response.status_code}", _pause(response, attempt)
            pause *= random.uniform(1.0, 1.3)  # noqa: S311 -- spreads retries, keeps no secret
            if attempt == TRIES - 1 or pause >= deadline.remaining:
                break
            time.sleep(pause)
        raise Unclear(problem)


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Unclear("an address that cannot be read") from None
    return parts.scheme, parts.netloc


def _pause(response: httpx.Response, attempt: int) -> float:
    """Seconds to wait: what Launchpad asks for, else 0, 1, 2, 4 ... as its own client does."""
    asked = response.headers.get("Retry-After", "")
    return float(asked) if asked.isascii() and asked.isdigit() else float((0, 1, 2, 4, 8)[attempt])


def _json(response: httpx.Response) -> Any:
    """Read an answer; error bodies are plain text and say nothing but their status."""
    if response.status_code in (404, 410):
        raise Gone(f"status {response.status_code}")
    if response.status_code != 200:
        raise Unclear(f"status {response.status_code}")
    if not response.headers.get("Content-Type", "").startswith("application/json"):
        raise Unclear("the answer is no JSON")
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        raise Unclear("the answer is broken JSON") from None


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
