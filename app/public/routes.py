"""The pages that need no sign-in: they say what this is, who is entitled, what is kept, and how to go on."""

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from flask_babel import get_locale
from flask_babel import lazy_gettext as _
from flask_login import current_user
from werkzeug.wrappers import Response

from app.extensions import settings, theme
from app.language import CHOICE, languages
from app.navigation import LANGUAGE_PAGES, go, is_signed_in, safe_next
from app.presentation import directory_name
from app.public.privacy import ELSEWHERE, GROUPS
from core import account
from core.database import utc_now
from core.domains import find_domain, served_domains
from core.facts import SECOND_NO_AFTER
from core.recipients import MAX_RECIPIENTS, PROOF_LASTS
from core.routing import LATER_LASTS
from core.sessions import LASTS as SESSION_LASTS
from core.standing import teams_of

YEAR = 365 * 86400  # seconds
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

HELP = {
    "spam": _("Why is my mail in the spam folder?"),
    "not-arrived": _("Mail did not arrive. What can I do?"),
    "send-as": _("How do I send mail as my address?"),
    "change": _("How do I change where my mail goes, or my name?"),
    "second": _("Can I have a second address?"),
    "lost-mailbox": _("I have lost my mailbox. What now?"),
    "leave": _("What happens when I leave the team?"),
    "outage": _("What happens when %(directory)s is down?"),
    "who-reads": _("Who can read my mail?"),
    "delete": _("How do I delete everything?"),
}
"""The questions of the help; each answer is a page, and a file in templates/public/help/."""

blueprint = Blueprint("public", __name__)


def names() -> dict[str, str]:
    """Return what people call the sign-in provider and the directory of teams, which may begin a sentence."""
    directory = directory_name()
    return {
        "provider": settings.provider_name,
        "directory": directory,
        "Directory": directory[:1].upper() + directory[1:],
    }


@blueprint.get("/")
def front() -> Response | str:
    """Say what this is and offer the sign-in."""
    if is_signed_in():
        return redirect(url_for("portal.home"))
    intro = theme.intro(str(get_locale()))
    return render_template("public/front.html", domains=served_domains(), intro=intro, names=names())


@blueprint.get("/d/<name>")
def domain(name: str) -> Response | str:
    """Say of one domain who may have an address on it."""
    found = find_domain(name)
    if found is None or found.verified_at is None:
        abort(404)
    if found.name != name:
        return redirect(url_for("public.domain", name=found.name), code=301)
    teams = teams_of(found)
    picture = theme.domain_logos.get(found.name)
    return render_template("public/domain.html", domain=found, teams=teams, picture=picture, names=names())


@blueprint.get("/help")
def help_page() -> str:
    """List the questions that contributors ask."""
    return render_template("public/help.html", questions=HELP, names=names())


@blueprint.get("/help/<slug>")
def help_answer(slug: str) -> str:
    """Answer one of them."""
    if slug not in HELP:
        abort(404)
    facts = {
        "grace_days": sorted({served.grace_days for served in served_domains()}),
        "later_days": LATER_LASTS.days,
        "max_recipients": MAX_RECIPIENTS,
        "no_hours": int(SECOND_NO_AFTER.total_seconds() // 3600),
        "proof_hours": int(PROOF_LASTS.total_seconds() // 3600),
        "session_days": SESSION_LASTS.days,
    }
    return render_template("public/help_answer.html", slug=slug, questions=HELP, names=names(), **facts)


@blueprint.get("/privacy")
def privacy() -> str:
    """Say what is stored, from the tables themselves, and what cannot be known here."""
    return render_template("public/privacy.html", groups=GROUPS, elsewhere=ELSEWHERE, names=names())


@blueprint.post("/language")
def choose_language() -> Response:
    """Choose the language: of the account and its mails, or without one of what this browser sees."""
    language = request.form.get("language", "")
    if language not in languages():
        abort(400)
    if is_signed_in():
        account.choose_language(current_user.person.id, language, utc_now())
    else:
        session[CHOICE] = language
    return go(safe_next(request.form.get("page"), LANGUAGE_PAGES) or url_for("public.front"))


@blueprint.get("/theme/<path:filename>")
def theme_file(filename: str) -> Response:
    """Send a file of the theme; its address changes with its content."""
    file = theme.files.get(filename)
    if file is None:
        abort(404)
    response = Response(file.content, mimetype=file.mimetype)
    response.cache_control.public, response.cache_control.max_age = True, YEAR
    response.set_etag(file.version)
    if file.mimetype == "image/svg+xml":  # a document of its own, in which a style is part of the picture
        response.headers["Content-Security-Policy"] = SVG_POLICY
    return response.make_conditional(request)
