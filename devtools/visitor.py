"""A visitor without a browser window: loads pages over HTTP, finds forms in them and sends them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx


class PageProblem(Exception):
    """The page is not what was expected; the text says how."""


@dataclass
class Form:
    """A form of a page: where it goes, its fields as they stand, and the words on its button."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    words: str = ""


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text: list[str] = []
        self._form: Form | None = None
        self._goes_on = False
        """Whether the next text goes on with the word before it (`<wbr>`)."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "wbr":
            self._goes_on = True
        elif tag == "form":
            self._form = Form(values.get("action", ""), values.get("method", "get").lower())
            self.forms.append(self._form)
        elif self._form is not None and tag == "button" and values.get("name"):
            self._form.buttons.append((values["name"], values.get("value", "")))
        elif self._form is not None and tag == "input" and values.get("name"):
            chosen = values.get("type") not in ("checkbox", "radio") or "checked" in values
            if chosen:
                self._form.fields.setdefault(values["name"], []).append(values.get("value", "on"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        if self._goes_on and self.text:
            self.text[-1] += data
        else:
            self.text.append(data)
        if self._form is not None:
            self._form.words += data.strip() if self._goes_on else f" {data.strip()}"
        self._goes_on = False


class Visitor:
    """One browser-like client with its cookies; follows redirects as a browser does."""

    def __init__(self) -> None:
        self.client = httpx.Client(follow_redirects=True, timeout=20)
        self.url = ""
        self.status = 0
        self.html = ""

    def open(self, url: str) -> Visitor:
        """Load a page."""
        return self._take(self.client.get(url))

    def press(self, words: str, **fields: str) -> Visitor:
        """Send the form whose button, label or action holds `words`, with some fields changed.

        Raises:
            PageProblem: no such form on the page.
        """
        for form in self._forms():
            if words in form.words or words in form.action:
                data: dict[str, object] = {**form.fields, **fields}
                return self._take(self.client.request(form.method, urljoin(self.url, form.action), data=data))
        raise PageProblem(f"no form with “{words}” at {self.url} (status {self.status})")

    def expect(self, words: str, status: int = 200) -> Visitor:
        """Check that the page came with this status and says these words; raises PageProblem."""
        if self.status != status or words not in self.text:
            raise PageProblem(f"“{words}” with status {status} expected at {self.url}, got {self.status}")
        return self

    @property
    def text(self) -> str:
        """The words of the page, white space folded."""
        reader = _Reader()
        reader.feed(self.html)
        return " ".join(" ".join(reader.text).split())

    def _forms(self) -> list[Form]:
        reader = _Reader()
        reader.feed(self.html)
        return reader.forms

    def _take(self, response: httpx.Response) -> Visitor:
        _, leads_on, target = response.headers.get("Refresh", "").partition("url=")
        if leads_on:
            return self.open(target)
        self.url, self.status, self.html = str(response.url), response.status_code, response.text
        return self
