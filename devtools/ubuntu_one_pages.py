"""The pages and documents of the pretend Ubuntu One; the pretend OIDC provider has the same sign-in page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from devtools.accounts import Account

STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5; }
body { margin: 0 auto; max-width: 44rem; padding: 1rem; }
ul { list-style: none; padding: 0; }
li { margin: 0 0 .5rem; }
button { font: inherit; padding: .75rem 1rem; border-radius: .25rem; border: 1px solid; cursor: pointer; }
li button { width: 100%; text-align: start; overflow-wrap: anywhere; }
li button span { display: block; }
fieldset { margin: 0 0 1rem; }
label { display: inline-block; padding: .4rem 1rem .4rem 0; }
"""

SUBMIT_SCRIPT = "document.forms[0].submit();\n"

# Scripts come from files, never from the page, so that the strictest policy lets them run. There is no
# form-action: browsers hold it against the redirect back to the site which asked, too.
POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'"

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

SERVER_TYPES = (
    "http://specs.openid.net/auth/2.0/server",
    "http://openid.net/srv/ax/1.0",
    "http://openid.net/extensions/sreg/1.1",
    "http://ns.launchpad.net/2007/openid-teams",
    "http://ns.login.ubuntu.com/2016/openid-macaroon",
)
SIGNON_TYPES = ("http://specs.openid.net/auth/2.0/signon", *SERVER_TYPES[1:])


def xrds(types: Iterable[str], endpoint: str) -> str:
    """A discovery document with one service."""
    lines = "".join(f"<Type>{escape(one)}</Type>\n" for one in types)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<xrds:XRDS xmlns:xrds="xri://$xrds" xmlns="xri://$xrd*($v*2.0)"><XRD>\n'
        f'<Service priority="0">\n{lines}<URI>{escape(endpoint)}</URI>\n</Service>\n'
        "</XRD></xrds:XRDS>\n"
    )


def page(title: str, body: str) -> str:
    """A whole page; `body` is markup, `title` is text."""
    return _PAGE.format(title=escape(title), body=body)


def _hidden(fields: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">\n'
        for name, value in fields.items()
    )


def sign_in_page(
    fields: Mapping[str, str],
    realm: str,
    people: Iterable[Account],
    asked: set[str],
    provider: str = "Ubuntu One",
    action: str = "/+decide",
) -> str:
    """The page on which one chooses who to be.

    Args:
        fields: the request's fields, carried on as hidden ones.
        realm: the site that asks.
        people: who can be chosen.
        asked: what the site asks for of nickname, email, fullname and teams.
        provider: whom the page stands in for.
        action: where its form goes.
    """
    boxes = "".join(
        f'<label><input type="checkbox" name="share" value="{name}" checked> {title}</label>\n'
        for name, title in _BOXES.items()
        if name in asked
    )
    fieldset = f"<fieldset>\n<legend>Tell the site my</legend>\n{boxes}</fieldset>\n" if boxes else ""
    buttons = "".join(_button(account) for account in people)
    body = (
        f"<p><strong>{escape(realm)}</strong> asks you to sign in. This stands in for {provider} "
        "in the demo: there is no password, choose who you are.</p>\n"
        f'<form method="post" action="{action}">\n'
        f'{_hidden(fields)}<input type="hidden" name="boxes" value="shown">\n{fieldset}'
        f"<ul>\n{buttons}</ul>\n"
        '<p><button type="submit" name="cancel" value="yes">Cancel and go back</button></p>\n</form>'
    )
    return page(f"Pretend {provider}", body)


_BOXES = {"nickname": "user name", "email": "e-mail address", "fullname": "full name", "teams": "teams"}


def _button(account: Account) -> str:
    """One button for each of the account's identities; a merged account has several."""
    values = [account.name, *(f"{account.name}/{suffix}" for suffix in account.suffixes[1:])]
    described = (
        f"<strong>{escape(account.name)}</strong> (<bdi>{escape(account.display_name)}</bdi>)"
        f"<span>{escape(account.note)}</span>"
    )
    return "".join(
        f'<li><button type="submit" name="person" value="{escape(value)}">{described}'
        f"{'<span>By another identity of the same account.</span>' if '/' in value else ''}</button></li>\n"
        for value in values
    )


def answer_form(action: str, fields: Mapping[str, str]) -> str:
    """The answer as a form that submits itself, and by its button where scripts are off."""
    body = (
        f'<form method="post" action="{escape(action)}">\n{_hidden(fields)}'
        '<p><button type="submit">Continue</button></p>\n</form>\n<script src="/submit.js"></script>'
    )
    return page("Signing you in", body)
