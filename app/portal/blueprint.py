"""What the contributor's pages share: their blueprint, their words, and how they say what was done."""

from flask import Blueprint, g, render_template, session
from flask_login import current_user
from werkzeug.wrappers import Response

from app.extensions import htmx
from app.navigation import is_signed_in
from app.portal import words
from core.database import utc_now
from core.delivery import why_refused
from core.overview import Failing, failing_of
from core.recipients import MAX_RECIPIENTS

Page = Response | str | tuple[str, int]

blueprint = Blueprint("portal", __name__)


@blueprint.app_context_processor
def helpers() -> dict[str, object]:
    """Give the templates the portal's words, and the banner on recipients that are failing."""
    return {
        "words": words,
        "MAX_RECIPIENTS": MAX_RECIPIENTS,
        "failing_recipients": failing_recipients,
        "take_said": take_said,
        "why_refused": why_refused,
    }


def failing_recipients() -> list[Failing]:
    """Return the signed-in person's failing recipients; asks the database once a request."""
    if not is_signed_in():
        return []
    if "failing" not in g:
        g.failing = failing_of(current_user.person, utc_now())
    return g.failing


def say(sentence: str, *, on_next_page: bool = False) -> None:
    """Say what was done: beside the part that HTMX swaps, else on the page that comes next."""
    if htmx and not on_next_page:
        g.said = sentence
    else:
        session["said"] = sentence


def take_said() -> str:
    """Return what was said for this page, once."""
    return session.pop("said", "")


def render(page: str, name: str, **context: object) -> str:
    """Render a page as a whole, or with HTMX its part `name` alone; whole when a browser goes back to it."""
    alone = htmx and not htmx.history_restore_request
    return part(name, **context) if alone else render_template(page, **context)


def part(name: str, **context: object) -> str:
    """Render a part of a page for HTMX, and beside it what was said and the banner."""
    return render_template(name, **context) + render_template("_said.html")
