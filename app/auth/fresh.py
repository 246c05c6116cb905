"""Dangerous changes ask for a fresh sign-in: `needs_fresh_sign_in` for their views, and the page for it."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from flask import current_app, redirect, render_template, request, url_for
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

from app.auth.routes import blueprint
from app.extensions import settings
from app.navigation import go, safe_next
from app.presentation import masked, told
from core import fresh
from core.database import utc_now
from core.fresh import CodeProblem
from core.queues import wake_outbox

View = Callable[..., Any]


def needs_fresh_sign_in(
    back: str, within: timedelta = fresh.FRESH_FOR, *, unless: Callable[[], bool] = lambda: False
) -> Callable[[View], View]:
    """Let a view run only when the person has just proven who they are; else ask for that first.

    back: endpoint of the page from which they then go on; it gets those of the view's arguments that
    it has itself. within: how long ago they may have proven it. unless: whether what this request does
    is harmless. Goes below `login_required`.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if unless() or fresh.is_fresh(current_user.session, utc_now(), within):
                return view(*args, **kwargs)
            names = next(current_app.url_map.iter_rules(back)).arguments
            page = url_for(back, **{name: value for name, value in kwargs.items() if name in names})
            return go(url_for("auth.again", next=page))

        return guarded

    return decorate


@blueprint.get("/login/again")
@login_required
def again() -> Response | str:
    """Ask for a fresh sign-in, or for a code where the provider did not see to it; else go on."""
    if fresh.is_fresh(current_user.session, utc_now()):
        return redirect(_target())
    return _page()


@blueprint.post("/login/again/code")
@login_required
def send_code() -> Response | tuple[str, int]:
    """Send a code to the person's first mailbox."""
    try:
        fresh.send_code(current_user.session.id, utc_now())
    except CodeProblem as error:
        return _page(error=told(error)), 429
    wake_outbox(settings)
    return go(url_for("auth.again", next=_target()))


@blueprint.post("/login/again")
@login_required
def enter_code() -> Response | tuple[str, int]:
    """Take the code from that mail."""
    typed = request.form.get("code", "")
    try:
        fresh.enter_code(current_user.session.id, typed, settings.secret_key, utc_now())
    except CodeProblem as error:
        return _page(error=told(error)), 422
    return go(_target())


def _target() -> str:
    return safe_next(request.values.get("next")) or url_for("portal.home")


def _page(error: str = "") -> str:
    session = current_user.session
    address = fresh.code_goes_to(session)
    return render_template(
        "auth/again.html",
        next=_target(),
        again=url_for("auth.again", next=_target()),
        asked_in_vain=session.asked_anew,
        address=masked(address) if address else None,
        sent=session.code_sent_at is not None,
        error=error,
    )
