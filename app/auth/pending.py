"""Sign-ins that were begun in this browser and have not come back yet.

They live in a signed cookie of their own, each under its random state, so that two tabs do not
disturb each other and an answer that this browser never asked for lets nobody in.
"""

from flask import Flask, Request, current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.wrappers import Response

from app.security import cookie_name
from core.secrets import derive_key, new_token
from core.settings import Settings

LASTS = 15 * 60  # seconds
MOST = 5
"""So many sign-ins may be under way in one browser; the oldest is forgotten first."""

Pending = dict[str, str]
"""State: the page to go to afterwards."""


def _serializer(app: Flask) -> URLSafeTimedSerializer:
    settings: Settings = app.extensions["waypost_settings"]
    return URLSafeTimedSerializer(derive_key(settings.secret_key, "pending sign-ins"))


def _name(app: Flask) -> str:
    return cookie_name(app.extensions["waypost_settings"], "waypost-signin")


def read(request: Request) -> Pending:
    """Return the sign-ins that are under way in this browser."""
    try:
        found = _serializer(current_app).loads(request.cookies.get(_name(current_app), ""), max_age=LASTS)
    except BadSignature:
        return {}
    return found if isinstance(found, dict) else {}


def begin(pending: Pending, target: str) -> tuple[Pending, str]:
    """Add a sign-in that leads to `target`; return the new set and the state."""
    state = new_token()
    kept = dict(list(pending.items())[-(MOST - 1) :])
    return {**kept, state: target}, state


def write(response: Response, pending: Pending) -> None:
    """Store the set in the browser; an empty one removes the cookie."""
    settings: Settings = current_app.extensions["waypost_settings"]
    options = {"path": "/", "secure": settings.secure_cookies, "httponly": True, "samesite": "Lax"}
    if pending:
        value = _serializer(current_app).dumps(pending)
        response.set_cookie(_name(current_app), value, max_age=LASTS, **options)
    else:
        response.delete_cookie(_name(current_app), **options)
