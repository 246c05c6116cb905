"""Which claimed id an account at Launchpad signs in with, as its page on the web site says.

The page of a person delegates (OpenID 2.0 §7.3.2.1.2) to `.../+id/SUFFIX`; the suffix is the same at each
of the provider's host names. The web service then says whether that id has this name still.
"""

import re
from datetime import datetime
from urllib.parse import quote

import httpx

from core.directories import Deadline, Directory, IdentityReading
from core.facts import Answer
from core.http import Fetcher

XRDS = "application/xrds+xml"
MAX_PAGE = 64 * 1024  # octets
REQUEST_SECONDS = 20.0
_LOCAL_ID = re.compile(rb"<(?:\w+:)?LocalID>\s*https?://[^<>\s]{1,200}/\+id/([A-Za-z0-9]{1,100})\s*</")


class LaunchpadNames:
    """`core.directories.NameDirectory` over Launchpad's web site; safe to share between threads.

    directory: the web service. web_url: root of the web site. issuer, prefix: of the identities that sign in.
    """

    def __init__(
        self, directory: Directory, web_url: str, user_agent: str, *, issuer: str, prefix: str
    ) -> None:
        self._directory = directory
        self._web_url = web_url
        self._issuer, self._prefix = issuer, prefix
        self._fetcher = Fetcher({"User-Agent": user_agent, "Accept": XRDS})

    def identify(self, name: str, deadline: Deadline) -> IdentityReading:
        """Read the claimed id from the page of a name, and ask whose it is."""
        try:
            one = Deadline(min(deadline.remaining, REQUEST_SECONDS))
            page = self._fetcher.fetch(f"{self._web_url}~{quote(name, safe='')}", one, most=MAX_PAGE)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return IdentityReading(Answer.UNKNOWN, why=f"no answer ({type(error).__name__})")
        if page.status_code in (404, 410):  # nobody of that name, or somebody suspended
            return IdentityReading(Answer.NO)
        suffix = _suffix(page)
        if suffix is None:
            return IdentityReading(Answer.UNKNOWN, why=f"a page without a claimed id ({page.status_code})")
        return self._check(name, f"{self._prefix}{suffix}", deadline)

    def _check(self, name: str, claimed_id: str, deadline: Deadline) -> IdentityReading:
        reading = self._directory.resolve(claimed_id, deadline, issuer=self._issuer)
        account = reading.account
        if account is None:
            return IdentityReading(Answer.UNKNOWN, why=reading.why or "page and web service disagree")
        if account.name != name:
            return IdentityReading(Answer.UNKNOWN, why="the name is going over to another account")
        try:
            born = datetime.fromisoformat(account.created)
        except ValueError:
            return IdentityReading(Answer.UNKNOWN, why="an account without a date")
        if born.tzinfo is None:
            return IdentityReading(Answer.UNKNOWN, why="an account without a date")
        return IdentityReading(Answer.YES, self._issuer, claimed_id, born)


def _suffix(page: httpx.Response) -> str | None:
    """Return the one claimed id's suffix that the page names."""
    if page.status_code != 200 or not page.headers.get("Content-Type", "").startswith(XRDS):
        return None
    found = set(_LOCAL_ID.findall(page.content))
    return found.pop().decode() if len(found) == 1 else None
