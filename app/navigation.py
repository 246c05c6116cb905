"""Where a person may be sent: only to our own pages, whatever the request says."""

import re
from collections.abc import Set
from urllib.parse import urlsplit

from flask import Response, current_app, redirect, request, session, url_for
from flask_login import current_user
from werkzeug.exceptions import HTTPException

from app.extensions import htmx, settings

PAGES = frozenset(
    {"portal.home", "portal.address", "portal.kept", "portal.test_progress", "portal.verify"}
    | {"public.front", "public.domain", "public.help_page", "public.help_answer", "public.privacy"}
    | {"auth.again", "account.page", "account.export", "account.leave", "account.gone"}
    | {"waivers.page", "waivers.new"}
    | {"admin.overview", "admin.waivers", "admin.waiver", "admin.held", "admin.lookup"}
    | {"admin.domains", "admin.new_domain", "admin.domain", "admin.domain_rules", "admin.dns"}
    | {"admin.dns_zone", "public.dns_page", "public.dns_zone"}
    | {"admin.audit", "admin.audit_entry", "admin.audit_export", "admin.roles", "admin.jobs", "admin.freed"}
    | {"admin.imports", "admin.import_run", "admin.waiting", "admin.kept_address"}
    | {"admin.names", "admin.look_alikes", "admin.people", "admin.person", "admin.move"}
    | {"admin.failing", "admin.bulk", "admin.bulk_run", "admin.first_admin"}
    | {"portal.role_address", "admin.role_addresses", "admin.role_address"}
)
"""The endpoints to which a sign-in may lead back."""

LANGUAGE_PAGES = PAGES | {"auth.sign_in"}
"""The endpoints to which the choice of a language may lead back."""

MAX_NEXT = 400  # characters; several must fit into one cookie


def safe_next(target: str | None, pages: Set[str] = PAGES) -> str | None:
    """Return `target` when it is one of our own pages, with its query; None otherwise.

    It must begin with exactly one slash and hold nothing that a browser would read another way.
    """
    if not target or len(target) > MAX_NEXT or not re.fullmatch(r"/(?![/\\])[!#-\[\]-~]*", target):
        return None
    parts = urlsplit(target)
    try:
        endpoint, _ = current_app.url_map.bind("").match(parts.path, method="GET")
    except HTTPException:
        return None
    return target if endpoint in pages and "//" not in parts.path and "%" not in parts.path else None


def current_page(pages: Set[str] = PAGES) -> str | None:
    """Return the page to come back to: the one that is open, not the fragment that it asked for."""
    if not htmx:
        return safe_next(request.full_path.removesuffix("?"), pages) if request.method == "GET" else None
    own = settings.public_url
    url = htmx.current_url or ""
    return safe_next(url.removeprefix(own), pages) if url.startswith(own) else None


def page_for_language() -> str | None:
    """Return the page to come back to after a choice of language; what leads elsewhere is left out."""
    page, target = current_page(LANGUAGE_PAGES), request.args.get("next")
    return request.path if page and target and not safe_next(target) else page


def go(target: str) -> Response:
    """Send the browser to a page after a POST; an HTMX call loads it as a whole."""
    if htmx:
        return Response("", 200, headers={"HX-Redirect": target})
    return redirect(target, code=303)


def ask_to_sign_in() -> Response:
    """Lead to the sign-in page as a whole, and back to the page that was open."""
    target = url_for("auth.sign_in", next=current_page())
    if htmx:
        return Response("", 401, headers={"HX-Redirect": target})
    return redirect(target, code=303)


def know_admin(known: bool) -> None:
    """Remember for this browser whether its pages show the way to the admins' pages; it gives no right.

    Looked up at the sign-in and on the admins' pages, so that other pages need not ask.
    """
    if session.get("admin", False) is not known:
        session["admin"] = known


def is_signed_in() -> bool:
    """Whether this browser has a live session."""
    return bool(current_user.is_authenticated)
