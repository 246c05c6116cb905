"""What every template can use: versioned file addresses, times, and the project's name."""

import hashlib
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, g, url_for
from flask_babel import format_date, format_datetime, format_timedelta, get_locale, get_translations
from flask_babel import gettext as _
from markupsafe import Markup, escape

from app.extensions import settings
from app.navigation import page_for_language
from app.theme import File, Theme
from core.database import utc_now
from core.settings import Settings
from core.translation import Told

STATIC = Path(__file__).parent / "static"


def init_app(app: Flask, own: Settings, theme: Theme) -> None:
    """Give the templates their helpers."""
    app.extensions["waypost_theme"] = theme
    words = {"gettext": lambda text: get_translations().ugettext(text)}
    words["ngettext"] = lambda one, many, count: get_translations().ungettext(one, many, count)
    app.jinja_env.install_gettext_callables(**words, newstyle=True)  # type: ignore[attr-defined]
    app.jinja_env.globals["_"] = text_of
    app.jinja_env.globals.update(told=told, asset=asset, theme=theme, theme_file=theme_file)
    app.jinja_env.globals.update(page_for_language=page_for_language)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters["moment"] = moment
    app.jinja_env.filters["ago"] = ago
    app.jinja_env.filters["ahead"] = ahead
    app.jinja_env.filters["day"] = day
    app.jinja_env.filters["day_said"] = day_said
    app.jinja_env.filters["breaks"] = breaks
    app.jinja_env.filters["masked"] = masked

    @app.context_processor
    def helpers() -> dict[str, Any]:
        return {
            "project": own.project_name,
            "settings": own,
            "directory": directory_name(),
            "language": language(),
        }


def language() -> str:
    """Return the code of the page's language, looked for once a page: a page asks a hundred times."""
    try:
        return g.language  # type: ignore[no-any-return]
    except AttributeError:
        g.language = str(get_locale())
        return g.language


def text_of(text: str, **values: object) -> Markup:
    """Say a text of the templates in the page's language: Jinja's own `_` in a fifth of its time."""
    said = _text(language(), text)
    return said % values if values or "%" in said else said


@lru_cache(5000)
def _text(_language: str, text: str) -> Markup:
    return Markup(get_translations().ugettext(text))  # noqa: S704 -- our own texts; values are escaped


def directory_name() -> str:
    """Return what people call the place that says who is in which team; it may stand in a sentence."""
    return "Launchpad" if settings.directory == "launchpad" else _("the member list")


def told(what: Told) -> str:
    """Say in the page's language what the core tells a person, and what is told within it."""
    values = {name: told(one) if isinstance(one, Told) else one for name, one in what.values.items()}
    return _(what.text, **values) if what.text else ""


def asset(name: str) -> str:
    """Return the address of a static file; it changes with the content, so it can be cached for good."""
    return url_for("static", filename=name, v=_version(name))


def theme_file(file: File) -> str:
    """Return the address of a file of the theme; it changes with the content, too."""
    return url_for("public.theme_file", filename=file.name, v=file.version)


@cache
def _version(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def moment(value: datetime) -> Markup:
    """Show a time as `<time>` in UTC; a script (`app/scripts/times.js`) shows it in the browser's zone."""
    text = format_datetime(value, f"{_day_pattern()} HH:mm") + " UTC"
    return Markup('<time datetime="{}" data-zone="moment">{}</time>').format(value.isoformat(), text)


def day(value: date) -> Markup:
    """Show a day as `<time>`; that of a time as the browser's zone has it."""
    return _day(value, language())


@lru_cache(1000)
def _day(value: date, _locale: str) -> Markup:
    """Write a day; many rows of a page have the same one."""
    zone = Markup(' data-zone="day"') if isinstance(value, datetime) else ""
    text = format_date(value, _day_pattern())
    return Markup('<time datetime="{}"{}>{}</time>').format(value.isoformat(), zone, text)


def day_said(text: str) -> Markup | str:
    """Show the day of a time that the directory wrote, or its text where that is written otherwise."""
    try:
        return day(date.fromisoformat(text[:10]))
    except ValueError:
        return text


def _day_pattern() -> str:
    """Return how the page's language writes a day (Unicode TS 35), as `app/scripts/times.js` does."""
    return {"en": "d MMM yyyy", "ja": "y年M月d日"}.get(language(), "d MMM y")


def ahead(value: datetime) -> Markup:
    """Show how long it is until something, with the exact time behind it; what is due is soon."""
    seconds = int((value - utc_now()).total_seconds())
    return _relative(value, _distance(max(seconds, 1), language()))


@lru_cache(1000)
def _distance(seconds: int, _locale: str) -> str:
    """Say how far off something is; many rows of a page are as far off as each other."""
    if abs(seconds) < 60:
        return _("in a minute") if seconds > 0 else _("just now")
    return format_timedelta(timedelta(seconds=seconds), add_direction=True)


@lru_cache(1000)
def _relative(value: datetime, words: str) -> Markup:
    exact = f'datetime="{value.isoformat()}" title="{value:%Y-%m-%d %H:%M} UTC"'
    return Markup(f'<time {exact} data-zone="title">{escape(words)}</time>')  # noqa: S704


def breaks(text: str) -> Markup:
    """Let a long address break before its @ and its dots; what is copied is the address alone."""
    escaped = str(escape(text))  # no escape has an @ or a dot
    return Markup(escaped.replace("@", "<wbr>@").replace(".", "<wbr>."))  # noqa: S704


def masked(address: str) -> str:
    """Show enough of a private address to know it again."""
    local_part, _at, domain = address.rpartition("@")
    return f"{local_part[:2]}…@{domain}"


def ago(value: datetime) -> Markup:
    """Show how long ago something was, with the exact time behind it."""
    seconds = int((utc_now() - value).total_seconds())
    return _relative(value, _distance(-max(seconds, 1), language()))
