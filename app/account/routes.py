"""My data: see it, take it along, choose languages and notices, end sessions, delete the account."""

import json

from flask import Blueprint, abort, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user, login_required, logout_user
from werkzeug.wrappers import Response

from app.account.device import device_words
from app.account.words import TOPICS
from app.auth.fresh import needs_fresh_sign_in
from app.extensions import htmx, settings
from app.language import clear_session, languages
from app.navigation import go
from app.portal.blueprint import part, say
from app.public.privacy import GROUPS
from app.public.routes import names
from core import account, export
from core.database import utc_now
from core.models import Alias, Domain, Person
from core.preferences import Topic, muted_topics, topics_for
from core.queues import wake_outbox
from core.routing import Switch
from core.sessions import end_all_sessions, end_session_of, sessions_of, unused_since

Page = Response | str | tuple[str, int]

blueprint = Blueprint("account", __name__)


@blueprint.get("/account")
@login_required
def page() -> Page:
    """Show what is stored, the choices, and the sessions."""
    counts = export.counts(current_user.person, settings.record_secret)
    kept = [
        (entry, counts[table])
        for _title, tables in GROUPS
        for table, entry in tables.items()
        if table in counts
    ]
    more = _sessions() | _notices()
    return render_template("account/page.html", kept=kept, names=names(), **more)


@blueprint.get("/account/export", endpoint="export")
@login_required
def download() -> Response:
    """Hand out everything that is stored about the person, as a JSON file."""
    now = utc_now()
    data = export.export(current_user.person, settings.record_secret, now)
    text = json.dumps(data, ensure_ascii=False, indent=2)
    response = Response(text, mimetype="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="waypost-{now:%Y-%m-%d}.json"'
    return response


@blueprint.post("/account/language")
@login_required
def choose_language() -> Page:
    """Choose the language of the pages; the whole page changes with it."""
    language = request.form.get("language", "")
    if language not in languages():
        abort(400)
    account.choose_language(current_user.person.id, language, utc_now())
    return go(url_for("account.page"))


@blueprint.post("/account/notices")
@login_required
def choose_notices() -> Page:
    """Choose which of the notices that may be switched off shall come."""
    wanted = [topic for topic in Topic if topic in request.form.getlist("topic")]
    account.choose_notices(current_user.person.id, wanted, utc_now())
    say(_("Saved."))
    if not htmx:
        return go(url_for("account.page", _anchor="notices"))
    current_user.person = Person.get_by_id(current_user.person.id)
    return part("account/_notices.html", saved=True, **_notices())


@blueprint.post("/account/sessions/<int(max=2147483647):session_id>/end")
@login_required
def end_session(session_id: int) -> Page:
    """Sign one browser out; when it is this one, go to the front page."""
    end_session_of(current_user.person, session_id)
    if session_id == current_user.session.id:
        return _signed_out("public.front")
    say(_("That browser is signed out."))
    if htmx:
        return part("account/_sessions.html", ended=True, **_sessions())
    return go(url_for("account.page", _anchor="sessions"))


@blueprint.post("/account/sessions/end")
@login_required
def end_sessions() -> Page:
    """Sign out everywhere, here too."""
    end_all_sessions(current_user.person)
    return _signed_out("public.front")


@blueprint.get("/account/delete")
@login_required
@needs_fresh_sign_in("account.leave")
def leave() -> Page:
    """Say what goes and what stays, and ask for a typed confirmation."""
    return _leave()


@blueprint.post("/account/delete")
@login_required
@needs_fresh_sign_in("account.leave")
def delete() -> Page:
    """Delete the account."""
    if request.form.get("confirm", "").strip().lower() != _word_to_type():
        return _leave(error=_("Type the word as it stands there.")), 422
    account.erase(current_user.person.id, settings.record_secret, utc_now())
    wake_outbox(settings)
    return _signed_out("account.gone")


@blueprint.get("/account/deleted")
def gone() -> Page:
    """Say that it is done."""
    return render_template("account/gone.html")


def _leave(error: str = "") -> str:
    live = (Alias.person == current_user.person) & (Alias.switch != Switch.GIVEN_UP)
    addresses = list(Alias.select(Alias, Domain).join(Domain).where(live).order_by(Alias.id))
    name = "account/_leave.html" if htmx else "account/leave.html"
    context = {"addresses": addresses, "word": _word_to_type(), "error": error, "names": names()}
    return render_template(name, **context)


def _word_to_type() -> str:
    """Return what must be typed to delete the account: one's own name, which nobody types by accident."""
    return (current_user.person.launchpad_name or "delete").lower()


def _signed_out(endpoint: str) -> Response:
    clear_session()
    logout_user()
    return go(url_for(endpoint))


def _sessions() -> dict[str, object]:
    now = utc_now()
    others = [each for each in sessions_of(current_user.person, now) if each != current_user.session]
    return {
        "sessions": [(each, unused_since(each, now)) for each in (current_user.session, *others)],
        "device": device_words(request.headers.get("User-Agent", "")),
    }


def _notices() -> dict[str, object]:
    person = current_user.person
    muted = muted_topics(person)
    return {"topics": [(topic, TOPICS[topic], topic not in muted) for topic in topics_for(person)]}
