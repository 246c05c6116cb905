"""The language of a page: chosen in the account, else in this browser, else what the browser asks for."""

from functools import cache

from babel import Locale
from flask import Flask, Response, request, session
from flask_babel import Babel, get_locale
from flask_login import current_user

from core import translation
from core.translation import TRANSLATIONS

CHOICE = "language"
"""Where the cookie keeps what was chosen without an account."""

babel = Babel()


@cache
def languages() -> dict[str, str]:
    """The languages that there are, each with its own name for itself."""
    return {code: str(Locale.parse(code).display_name) for code in translation.languages()}


def init_app(app: Flask) -> None:
    """Choose the language of each page, and say it in the headers."""
    babel.init_app(app, default_translation_directories=str(TRANSLATIONS), locale_selector=page_language)
    app.jinja_env.globals.update(languages=languages)

    @app.after_request
    def say_language(response: Response) -> Response:
        if response.mimetype == "text/html" and not response.location:
            response.headers["Content-Language"] = str(get_locale())
            response.vary.update(["Accept-Language", "Cookie"])
        return response


def page_language() -> str:
    """Return the language of the page that answers this request."""
    return chosen_language() or asked_language() or _hinted_language() or "en"


def chosen_language() -> str | None:
    """Return what somebody chose here: with the account, or without one in this browser."""
    if current_user.is_authenticated and current_user.person.language_chosen:
        return _known(current_user.person.language)
    return _known(session.get(CHOICE))


def asked_language() -> str | None:
    """Return the first of our languages that the browser asks for (RFC 9110 §12.5.4)."""
    return request.accept_languages.best_match(languages())


def _hinted_language() -> str | None:
    """Return what was known of the language at the last sign-in."""
    return _known(current_user.person.language) if current_user.is_authenticated else None


def _known(language: str | None) -> str | None:
    return language if language in languages() else None


def clear_session() -> None:
    """Forget everything about this browser except the language that was chosen."""
    chosen = chosen_language()
    session.clear()
    if chosen:
        session[CHOICE] = chosen
