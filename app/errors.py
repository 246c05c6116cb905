"""Error pages: what happened, in a sentence, and what to do next. Never a traceback."""

from dataclasses import dataclass

import structlog
from flask import Flask, Response, g, render_template
from flask_babel import lazy_gettext as _
from flask_login import AnonymousUserMixin, current_user
from flask_wtf.csrf import CSRFError
from peewee import DataError, OperationalError
from werkzeug.exceptions import HTTPException

from app.extensions import htmx
from app.navigation import ask_to_sign_in, current_page
from core.ownership import NotYours

log = structlog.get_logger()


@dataclass(frozen=True)
class ErrorPage:
    """The words of an error page."""

    title: str
    text: str


PAGES = {
    400: ErrorPage(
        _("This did not work"),
        _("What arrived here was not complete. Nothing was changed. Go back, reload the page and try again."),
    ),
    403: ErrorPage(
        _("You cannot do this"),
        _("This is not for your account. Should it be yours? Sign out, and sign in as the one who may."),
    ),
    404: ErrorPage(
        _("There is no such page"),
        _("The address may be mistyped, or what was here is gone. Begin at the front page."),
    ),
    405: ErrorPage(
        _("This did not work"), _("This address belongs to a button. Go back to the page and press it there.")
    ),
    413: ErrorPage(
        _("That was too long"),
        _("What was sent is longer than this page takes. Nothing was changed. Go back and shorten it."),
    ),
    429: ErrorPage(
        _("That was too often"), _("Nothing was changed. Wait a few minutes before you try again.")
    ),
    500: ErrorPage(
        _("Something is broken here"), _("It is not your fault, and it is noted. Try again in a minute.")
    ),
    503: ErrorPage(_("Busy just now"), _("Nothing was changed. Try again in a minute.")),
}
KEPT_HEADERS = ("Allow", "Retry-After")
"""Of an error's own headers, those that say how to go on (RFC 9110 §10.2.1, §10.2.3)."""


def error_page(status: int, page: ErrorPage) -> Response:
    """Render an error page with its status; for HTMX only its content, in place of the page's.

    Asks nothing of the database, which may be what is broken.
    """
    if status >= 500:
        g._login_user = AnonymousUserMixin()
    name = "errors/_error.html" if htmx else "errors/error.html"
    html = render_template(name, page=page, status=status, again=current_page())
    response = Response(html, status, mimetype="text/html")
    if htmx:
        response.headers.update({"HX-Retarget": "#main", "HX-Reswap": "innerHTML"})
    return response


def init_app(app: Flask) -> None:
    """Answer every kind of error with a page."""

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        response = error_page(status, PAGES.get(status, PAGES[500 if status >= 500 else 400]))
        response.headers.extend([pair for pair in error.get_headers() if pair[0] in KEPT_HEADERS])
        return response

    @app.errorhandler(CSRFError)
    def form_out_of_date(_error: CSRFError) -> Response:
        if htmx and not current_user.is_authenticated:
            return ask_to_sign_in()
        page = ErrorPage(_("This form is out of date"), _("Go back, reload the page and send it again."))
        return error_page(400, page)

    @app.errorhandler(NotYours)
    def gone_meanwhile(_error: NotYours) -> Response:
        return error_page(404, PAGES[404])

    @app.errorhandler(DataError)
    def impossible_value(_error: DataError) -> Response:
        return error_page(400, PAGES[400])

    @app.errorhandler(OperationalError)
    def database_busy(error: OperationalError) -> Response:
        log.error("database trouble", error=type(error).__name__)
        return error_page(503, PAGES[503])

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.exception("unexpected error", error=type(error).__name__)
        return error_page(500, PAGES[500])
