"""The mail catcher's web pages and its JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from urllib.parse import quote

from devtools.caught import LINK, CaughtMessage, details, summary
from devtools.webserver import Answer, Request, as_json, html, text

POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; overflow-wrap: anywhere; }
ol { list-style: none; padding: 0; }
li { border-top: 1px solid; padding: .5rem 0; }
li span { display: block; }
pre { white-space: pre-wrap; font: inherit; border-top: 1px solid; padding-top: 1rem; }
pre.source { font-family: ui-monospace, monospace; }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


class CatcherPages:
    """Answers the requests; `messages` gives the kept messages, oldest first."""

    def __init__(self, messages: Callable[[], list[CaughtMessage]]) -> None:
        self._messages = messages

    def answer(self, request: Request) -> Answer:
        """`/`, `/?to=`, `/messages.json?to=`, `/messages/N`, `/messages/N.json` and `/messages/N.eml`."""
        found = re.fullmatch(r"/messages/(\d+)(\.json|\.eml|)", request.path)
        if found:
            return self._one(int(found[1]), found[2])
        newest_first = self._messages()[::-1]
        to = request.query("to").lower()
        if to:
            newest_first = [one for one in newest_first if to in [name.lower() for name in one.recipients]]
        if request.path == "/":
            return _page("Mail catcher", _list(newest_first, to))
        if request.path == "/messages.json":
            return as_json([summary(one) for one in newest_first])
        if request.path == "/style.css":
            return Answer(200, STYLE.encode(), "text/css; charset=utf-8")
        return text(404, "There is no such page.\n")

    def _one(self, number: int, form: str) -> Answer:
        for message in self._messages():
            if message.number == number:
                if form == ".json":
                    return as_json(details(message))
                if form == ".eml":
                    return Answer(200, message.content, "text/plain; charset=utf-8")
                return _page(details(message)["subject"] or "(no subject)", _message(message))
        return text(404, "There is no such message.\n")


def _page(title: str, body: str) -> Answer:
    headers = (("Content-Security-Policy", POLICY), ("X-Content-Type-Options", "nosniff"))
    return html(200, _PAGE.format(title=escape(title), body=body), *headers)


def _time(message: CaughtMessage) -> str:
    return datetime.fromtimestamp(message.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _list(messages: list[CaughtMessage], to: str) -> str:
    form = (
        f'<form action="/"><label>Recipient <input name="to" value="{escape(to)}"></label> '
        '<button type="submit">Show</button></form>\n'
    )
    items = []
    for message in messages:
        about = summary(message)
        recipients = ", ".join(message.recipients)
        items.append(
            f'<li><a href="/messages/{message.number}">{escape(about["subject"] or "(no subject)")}</a>'
            f"<span>From {escape(about['from'])} to "
            f'<a href="/?to={quote(message.recipients[0])}">{escape(recipients)}</a></span>'
            f"<span><small>{_time(message)}</small></span></li>\n"
        )
    nothing = "<p>No mail has come yet. Load this page again to see what is new.</p>\n"
    return form + (f"<ol>\n{''.join(items)}</ol>\n" if items else nothing)


def _message(message: CaughtMessage) -> str:
    about = details(message)
    lines = {
        "From": about["from"],
        "Envelope sender": message.sender or "<>",
        "Envelope recipients": ", ".join(message.recipients),
        "Received": _time(message),
        "TLS": message.tls_version or "none",
    }
    head = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>\n" for name, value in lines.items())
    return (
        f'<p><a href="/">All messages</a> · <a href="/messages/{message.number}.eml">Source</a></p>\n'
        f"<dl>\n{head}</dl>\n<pre>{_with_links(about['text'])}</pre>\n"
        f'<details><summary>Source</summary><pre class="source">{escape(about["source"])}</pre></details>'
    )


def _with_links(plain: str) -> str:
    """Escaped text in which web addresses can be followed."""
    parts, end = [], 0
    for match in LINK.finditer(plain):
        address = escape(match[0])
        parts += [
            escape(plain[end : match.start()]),
            f'<a href="{address}" rel="noopener noreferrer">{address}</a>',
        ]
        end = match.end()
    return "".join(parts) + escape(plain[end:])
