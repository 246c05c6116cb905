"""Where a person may be sent: only to our own pages, whatever the request says."""

import re
from urllib.parse import urlsplit

from flask import current_app, redirect, request
from flask_login import current_user
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from app.extensions import htmx

PAGES = frozenset({"portal.home", "portal.address", "portal.verify", "portal.front"})
"""The endpoints to which a sign-in may lead back."""


def safe_next(target: str | None) -> str | None:
    """Return `target` when it is one of our own pages, with its query; None otherwise.

    It must begin with exactly one slash and hold nothing that a browser would read another way.
    """
    if not target or not re.fullmatch(r"/(?![/\\])[!#-\[\]-~]*", target):
        return None
    parts = urlsplit(target)
    try:
        endpoint, _ = current_app.url_map.bind("").match(parts.path, method="GET")
    except HTTPException:
        return None
    return target if endpoint in PAGES and "//" not in parts.path and "%" not in parts.path else None


def current_page() -> str | None:
    """Return the page to come back to: the one that is open, not the fragment that it asked for."""
    if not htmx:
        return safe_next(request.full_path.removesuffix("?")) if request.method == "GET" else None
    parts = urlsplit(htmx.current_url or "")
    return safe_next(parts.path + (f"?{parts.query}" if parts.query else ""))


def go(target: str) -> Response:
    """Send the browser to a page after a POST; an HTMX call loads it as a whole."""
    response = redirect(target, code=303)
    if htmx:
        response = Response("", 200, headers={"HX-Redirect": target})
    return response


def is_signed_in() -> bool:
    """Whether this browser has a live session."""
    return bool(current_user.is_authenticated)
