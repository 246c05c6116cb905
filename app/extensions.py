"""Flask's extensions and the database connection of a request."""

from flask import Flask, request
from flask_htmx import HTMX
from flask_login import LoginManager
from flask_wtf import CSRFProtect
from structlog.contextvars import clear_contextvars
from werkzeug.local import LocalProxy

from app.theme import Theme
from core.database import database
from core.directories import Directory
from core.directories.configured import make_directory
from core.settings import Settings

login_manager = LoginManager()
csrf = CSRFProtect()
htmx = HTMX()


def _current_settings() -> Settings:
    from flask import current_app

    return current_app.extensions["waypost_settings"]


settings: Settings = LocalProxy(_current_settings)  # type: ignore[assignment]
"""The settings of the portal that answers this request."""


def _current_theme() -> Theme:
    from flask import current_app

    return current_app.extensions["waypost_theme"]


theme: Theme = LocalProxy(_current_theme)  # type: ignore[assignment]
"""The look of the portal that answers this request."""

FILES = frozenset({"static", "public.theme_file"})
"""Endpoints of files: they are cached for good, and need no database."""


def _current_directory() -> Directory:
    """One client a process, made at its first use: after the fork, and with one set of connections."""
    from flask import current_app

    extensions = current_app.extensions
    if "waypost_directory" not in extensions:
        extensions["waypost_directory"] = make_directory(extensions["waypost_settings"])
    return extensions["waypost_directory"]


directory: Directory = LocalProxy(_current_directory)  # type: ignore[assignment]
"""Where this portal asks about people."""


def init_app(app: Flask) -> None:
    """Bind the extensions, and give each request one database connection."""
    csrf.init_app(app)
    htmx.init_app(app)
    login_manager.init_app(app)

    @app.before_request
    def begin_log() -> None:
        clear_contextvars()  # a thread answers many people

    @app.before_request
    def open_database() -> None:
        if request.endpoint not in FILES:  # the page that says that the database is gone needs its style
            database.connect(reuse_if_open=True)

    @app.teardown_appcontext
    def close_database(_error: BaseException | None) -> None:
        if not database.is_closed():
            database.close()
