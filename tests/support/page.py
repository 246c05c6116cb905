"""A page as a test looks at it: elements, their attributes and their words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_BREAK = "\u200b"
VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())


@dataclass
class Element:
    """One element with what is in it."""

    tag: str
    attributes: dict[str, str]
    content: list[Element | str] = field(default_factory=list, repr=False)

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def get(self, name: str) -> str | None:
        """Return an attribute; an empty string when it has no value."""
        return self.attributes.get(name)

    def elements(self) -> Iterator[Element]:
        """Yield every element below this one, in the order of the page."""
        for one in self.content:
            if isinstance(one, Element):
                yield one
                yield from one.elements()

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Return the elements with this tag and these attributes; `_` stands for `-` in a name."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            one
            for one in self.elements()
            if tag in ("", one.tag) and all(one.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag: str = "", **attributes: str) -> Element:
        """Return the one element with this tag and these attributes; AssertionError for none or more."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} elements <{tag} {attributes}>"
        return found[0]

    @property
    def text(self) -> str:
        """The words in it, white space folded; a place where a word may break does not end it."""
        return " ".join(" ".join(self._words()).replace(f" {_BREAK} ", "").split())

    def _words(self) -> Iterator[str]:
        for one in self.content:
            if isinstance(one, str):
                yield one
            elif one.tag == "wbr":
                yield _BREAK
            elif one.tag not in ("script", "style"):
                yield from one._words()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].content.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        names = [one.tag for one in self._open]
        if tag in names[1:]:
            while self._open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        self._open[-1].content.append(data)


def read_page(html: str) -> Element:
    """Parse a page or a part of one."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.root


def faults_of(page: Element) -> list[str]:
    """Say what is wrong with a whole page for those who hear it or walk it by keyboard."""
    found = []
    ids = [one["id"] for one in page.elements() if one.get("id") is not None]
    found += [f"id {name} stands twice" for name in {name for name in ids if ids.count(name) > 1}]
    for tag in ("h1", "title", "main"):
        if len(page.all(tag)) != 1 or not page.all(tag)[0].text:
            found.append(f"not exactly one <{tag}> with words")
    if not (page.all("html") and page.all("html")[0].get("lang")):
        found.append("no language")
    labels = {one.get("for") for one in page.all("label")}
    for one in page.all("input") + page.all("select") + page.all("textarea"):
        if one.get("type") != "hidden" and one.get("id") not in labels and not one.get("aria-label"):
            found.append(f"no label for {one.attributes}")
    for one in page.elements():
        for name in ("aria-describedby", "aria-labelledby"):
            found += [f"{name} {i} leads nowhere" for i in (one.get(name) or "").split() if i not in ids]
        if one.tag in ("a", "button", "li", "h2", "legend") and not (one.text or one.get("aria-label")):
            found.append(f"<{one.tag}> without words: {one.attributes}")
        if one.tag == "img" and one.get("alt") is None:
            found.append(f"picture without alt: {one.attributes}")
        if (one.tag == "script" and one.text) or any(name.startswith("on") for name in one.attributes):
            found.append(f"inline script in <{one.tag}>")
        if one.get("style") is not None:
            found.append(f"inline style in <{one.tag}>")
    return found
