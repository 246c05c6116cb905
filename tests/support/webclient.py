"""A browser without a window: cookies, forms with their token, HTMX calls, and one's own way to sign in.

Every request is a connection of its own, so that either process of the portal may answer it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from devtools.openid_answers import SHARED
from devtools.ubuntu_one import PretendUbuntuOne
from tests.support.page import Element, read_page

Fields = dict[str, str]
Sent = Mapping[str, str] | Sequence[tuple[str, str]]
"""An answer's fields; pairs when a name comes twice."""


@dataclass(frozen=True)
class Answer:
    """What the portal sent back."""

    response: httpx.Response

    @property
    def status(self) -> int:
        """The status code."""
        return self.response.status_code

    @property
    def html(self) -> str:
        """The body."""
        return self.response.text

    @cached_property
    def page(self) -> Element:
        """The body, parsed."""
        return read_page(self.html)

    @property
    def text(self) -> str:
        """The words of the page."""
        return self.page.text

    @property
    def is_whole_page(self) -> bool:
        """Whether it is a document and not a part of one."""
        return self.html.lstrip().lower().startswith("<!doctype html>")

    @property
    def location(self) -> str:
        """Where it sends the browser to."""
        return self.response.headers.get("Location", "")

    def header(self, name: str) -> str:
        """A header, or an empty string."""
        return self.response.headers.get(name, "")


@dataclass(frozen=True)
class Attempt:
    """A sign-in under way: what the portal asked of the provider."""

    asked: Fields

    @classmethod
    def at(cls, location: str) -> Attempt:
        """Read it from the address to which the portal sends the browser."""
        return cls(dict(parse_qsl(urlsplit(location).query, keep_blank_values=True)))

    @property
    def return_to(self) -> str:
        """Where the answer is to be sent."""
        return self.asked["openid.return_to"]

    def url(self, fields: Sent) -> str:
        """The address of an answer by GET."""
        return f"{self.return_to}&{urlencode(fields)}"


class Client:
    """One browser. `provider` is the pretend Ubuntu One at which it signs in."""

    def __init__(self, url: str, provider: PretendUbuntuOne) -> None:
        self.url = url
        self.provider = provider
        limits = httpx.Limits(max_keepalive_connections=0)
        # Plain HTTP throughout: without `verify` the client is made without reading all authorities.
        self.http = httpx.Client(base_url=url, timeout=40, limits=limits, verify=False)
        self._token = ""

    def close(self) -> None:
        """Close it."""
        self.http.close()

    @property
    def cookies(self) -> dict[str, str]:
        """Its cookies by name."""
        return {cookie.name: cookie.value or "" for cookie in self.http.cookies.jar}

    # -- pages -----------------------------------------------------------------------------------

    def get(self, path: str, *, on: str = "", **headers: str) -> Answer:
        """Load a page; `on` makes it an HTMX call from that page."""
        return self._take(self.http.get(path, headers=self._headers(on, headers)))

    def post(
        self, path: str, fields: Mapping[str, Any] | None = None, *, on: str = "", **headers: str
    ) -> Answer:
        """Send a form with its token; `on` makes it an HTMX call from that page."""
        data = {"csrf_token": self.token(), **(fields or {})}
        return self._take(self.http.post(path, data=data, headers=self._headers(on, headers)))

    def follow(self, answer: Answer) -> Answer:
        """Go where the portal sends the browser; it must be to itself."""
        while answer.location:
            target = str(answer.response.url.join(answer.location))
            assert target.startswith(f"{self.url}/"), target
            answer = self.get(target)
        return answer

    def token(self) -> str:
        """The forms' token of this browser's session."""
        if not self._token:
            self.get("/login")
        if not self._token:
            self.get("/home")
        return self._token

    def forget_token(self) -> None:
        """Take it anew from the next page."""
        self._token = ""

    def _headers(self, on: str, headers: Mapping[str, str]) -> dict[str, str]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if on:
            url = on if "://" in on else self.url + on
            sent = {"HX-Request": "true", "HX-Current-URL": url} | sent
        return sent

    def _take(self, response: httpx.Response) -> Answer:
        found = re.search(r'name="csrf_token" value="([^"]+)"', response.text)
        if found:
            self._token = found[1]
        return Answer(response)

    # -- signing in ------------------------------------------------------------------------------

    def begin(self, next_page: str | None = None) -> Attempt:
        """Press the sign-in button; the browser would now go to Ubuntu One."""
        fields = {} if next_page is None else {"next": next_page}
        sent = self.post("/login", fields)
        assert sent.status == 303, sent.text
        assert sent.location.startswith(self.provider.endpoint)
        return Attempt.at(sent.location)

    def sign(
        self,
        attempt: Attempt,
        person: str,
        *,
        share: Collection[str] = SHARED,
        tamper: Callable[[Fields], object] | None = None,
    ) -> Fields:
        """The provider's answer; `tamper` changes it before it is signed."""

        def change(fields: Fields) -> None:
            if tamper:
                tamper(fields)

        return self.provider.signed_answer(attempt.asked, person, share=share, tamper=change)

    def bring(self, attempt: Attempt, fields: Sent) -> Answer:
        """Come back with an answer by GET."""
        return self.get(attempt.url(fields))

    def post_back(self, attempt: Attempt, fields: Sent) -> Answer:
        """Come back with an answer by a cross-site POST, which carries no cookie; goes no further."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Answer(
            httpx.post(
                attempt.return_to, content=urlencode(fields), headers=headers, timeout=40, verify=False
            )
        )

    def come_back(self, attempt: Attempt, fields: Sent, *, by_post: bool) -> Answer:
        """Come back with an answer either way; return what the browser gets in the end."""
        if not by_post:
            return self.bring(attempt, fields)
        aside = self.post_back(attempt, fields)
        return self.get(aside.location) if aside.location else aside

    def sign_in(self, person: str, *, next_page: str | None = None, by_post: bool = False) -> Answer:
        """Sign in the ordinary way; return the page on which that ends."""
        attempt = self.begin(next_page)
        answer = self.sign(attempt, person)
        back = self.post_back(attempt, answer) if by_post else self.bring(attempt, answer)
        self.forget_token()
        return self.follow(back)

    @property
    def is_signed_in(self) -> bool:
        """Whether the portal knows this browser now."""
        return self.get("/home").status == 200
