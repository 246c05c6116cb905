"""The sign-in page, the way to Ubuntu One and back, and sign-out."""

from urllib.parse import urlencode

import structlog
from flask import Blueprint, redirect, render_template, request, session, url_for
from flask_babel import lazy_gettext as _
from flask_login import current_user, login_required, login_user, logout_user
from werkzeug.wrappers import Response

from app.auth import pending
from app.auth.openid import OpenIDRefused, Refusal, check_answer, request_url
from app.auth.user import SignedIn
from app.errors import ErrorPage
from app.extensions import csrf, directory, settings
from app.navigation import is_signed_in, safe_next
from core.database import utc_now
from core.directories import Deadline
from core.openid_state import stash_answer, take_answer
from core.people import SignIn, SignInRefused, sign_in
from core.queues import Job, enqueue, wake_outbox
from core.sessions import end_session, find_session
from core.sync import ask_about, ask_about_earlier_names

BUDGET = 4.0  # seconds for everything that one sign-in asks outside
RETURN_ARGUMENTS = ("state", "stash", "janrain_nonce")
"""What our own return address holds; python3-openid adds the last one."""

blueprint = Blueprint("auth", __name__)
log = structlog.get_logger()

START_AGAIN = ErrorPage(
    _("Please start again"),
    _("This sign-in was begun in another browser, took too long, or was used already."),
)
CANCELLED = ErrorPage(_("You did not sign in"), _("Ubuntu One says that you cancelled. Nothing was done."))
NO_ANSWER = ErrorPage(_("Ubuntu One does not answer"), _("Nothing was changed. Try again in a minute."))
LAUNCHPAD_UNCLEAR = ErrorPage(
    _("Launchpad does not answer"),
    _("We could not find out whether you have been here before under another name. Try again in a minute."),
)
NOT_VALID = ErrorPage(
    _("Ubuntu One's answer was not accepted"),
    _("It is not a valid answer for this portal. Nothing was created. Please start again."),
)


class LaunchpadUnclear(Exception):
    """It could not be found out now whether this account is known by an earlier name."""


@blueprint.get("/login", endpoint="sign_in")
def sign_in_page() -> Response | str:
    """Show the one button, or go on at once when signed in already."""
    target = safe_next(request.args.get("next"))
    if is_signed_in():
        return redirect(target or url_for("portal.home"))
    return render_template("auth/sign_in.html", next=target)


@blueprint.post("/login")
def begin() -> Response:
    """Begin a sign-in: remember its state in this browser and go to Ubuntu One."""
    target = safe_next(request.form.get("next")) or url_for("portal.home")
    waiting, state = pending.begin(pending.read(request), target)
    return_to = f"{settings.public_url}{url_for('auth.answer')}?{urlencode({'state': state})}"
    response = redirect(request_url(settings, return_to), code=303)
    pending.write(response, waiting)
    return response


@blueprint.post("/login/ubuntu-one")
@csrf.exempt  # the provider sends it; what counts is its signature and the state
def take_posted_answer() -> Response | tuple[str, int]:
    """Put a posted answer aside: this cross-site request carries no cookie, the next one does."""
    fields = request.form.to_dict()
    if len(fields) != len(list(request.form.items(multi=True))):
        return _page(NOT_VALID, 400)
    try:
        stash = stash_answer(fields, utc_now())
    except ValueError:
        return _page(NOT_VALID, 413)
    arguments = [*request.args.items(multi=True), ("stash", stash)]
    return redirect(f"{url_for('auth.answer')}?{urlencode(arguments)}", code=303)


@blueprint.get("/login/ubuntu-one")
def answer() -> Response | tuple[str, int]:
    """Check Ubuntu One's answer and let the person in."""
    waiting = pending.read(request)
    target = waiting.pop(request.args.get("state", ""), None)
    if target is None:
        return _page(START_AGAIN, 400)
    response = _finish(target)
    if isinstance(response, tuple):
        response = Response(response[0], response[1], mimetype="text/html")
    pending.write(response, waiting)
    return response


def _finish(target: str) -> Response | tuple[str, int]:
    deadline, now = Deadline(BUDGET), utc_now()
    try:
        fields, url = _received()
        arrival = check_answer(settings, fields, url, deadline, now)
        return _let_in(arrival, deadline, target)
    except OpenIDRefused as error:
        log.info("sign-in refused", refusal=error.refusal, why=str(error))
        if error.refusal is Refusal.CANCELLED:
            return _page(CANCELLED, 200)
        if error.refusal is Refusal.NO_ANSWER:
            return _page(NO_ANSWER, 503)
        return _page(NOT_VALID, 400)
    except LaunchpadUnclear:
        return _page(LAUNCHPAD_UNCLEAR, 503)
    except SignInRefused as error:
        return _page(ErrorPage(_("You cannot sign in"), str(error)), 403)


def _received() -> tuple[dict[str, str], str]:
    """Return the answer's fields and the address it was sent to, both exactly as they came.

    A posted answer is taken from its stash and checked against the first address, without the stash.
    """
    arguments = list(request.args.items(multi=True))
    if len({name for name, _ in arguments}) != len(arguments):
        raise OpenIDRefused(Refusal.NOT_VALID, "a field came twice")
    base = settings.public_url + request.path
    stash = request.args.get("stash")
    if stash is None:
        return dict(arguments), f"{base}?{request.query_string.decode('ascii', 'replace')}"
    fields = take_answer(stash, utc_now())
    if fields is None:
        raise OpenIDRefused(Refusal.NOT_VALID, "the posted answer is gone")
    if any(name not in RETURN_ARGUMENTS for name, _ in arguments):
        raise OpenIDRefused(Refusal.NOT_VALID, "an answer by GET and by POST")
    rest = urlencode([(name, value) for name, value in arguments if name != "stash"])
    ours = {name: value for name, value in arguments if name != "stash"}
    return {**fields, **ours}, f"{base}?{rest}"


def _let_in(arrival: SignIn, deadline: Deadline, target: str) -> Response:
    """Ask Launchpad in what is left of the budget, then begin a fresh session."""
    reading = ask_about(directory, arrival.subject, deadline)
    now = utc_now()
    account = reading.account.account
    if account is not None and not ask_about_earlier_names(directory, account, deadline, now):
        raise LaunchpadUnclear
    old_token = current_user.get_id() if is_signed_in() else None
    person, token = sign_in(arrival, reading, now)
    if old_token:
        end_session(old_token)
    session.clear()
    found = find_session(token, now)
    if found is not None:
        login_user(SignedIn(found, token))
    if not reading.complete:
        log.warning("launchpad unclear at sign-in", person=person.id, why=reading.account.why)
        enqueue(settings, Job.SYNC_PERSON, person.id)
    wake_outbox(settings)
    return redirect(target, code=303)


@blueprint.post("/logout")
@login_required
def sign_out() -> Response:
    """End this session, here and on the server."""
    end_session(current_user.get_id())
    logout_user()
    session.clear()
    return redirect(url_for("portal.front"), code=303)


def _page(page: ErrorPage, status: int) -> tuple[str, int]:
    return render_template("auth/refused.html", page=page, status=status), status
