"""A fresh sign-in before a change of where mail goes: a browser left open shall not lead it elsewhere."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps

from flask import Response, url_for
from flask_login import current_user

from app.extensions import htmx
from app.portal.blueprint import Page, render
from core.database import utc_now

FRESH_FOR = timedelta(hours=1)


def needs_fresh_sign_in(view: Callable[[int], Page]) -> Callable[[int], Page]:
    """Let an address's view run only soon after a sign-in, else ask for one. Goes below `login_required`."""

    @wraps(view)
    def guarded(alias_id: int, **more: int) -> Page:
        own = current_user.session
        # Some providers do not say when the password was given: then the sign-in itself counts.
        if utc_now() - (own.authenticated_at or own.created_at) < FRESH_FOR:
            return view(alias_id, **more)
        return _ask(url_for("portal.address", alias_id=alias_id))

    return guarded


def _ask(back: str) -> Response:
    """Show the button of a new sign-in, which leads back to the address; nothing is changed."""
    html = render("portal/fresh.html", "portal/_fresh.html", back=back)
    response = Response(html, 403, mimetype="text/html")
    if htmx:
        response.headers.update({"HX-Retarget": "#main", "HX-Reswap": "innerHTML"})
    return response
