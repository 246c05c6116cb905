"""The sign-in page, the way to the one sign-in provider and back, and sign-out."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlencode

import structlog
from flask import Blueprint, abort, make_response, redirect, render_template, request, url_for
from flask_babel import lazy_gettext as _
from flask_login import current_user, login_required, login_user, logout_user
from werkzeug.wrappers import Response

from app.auth import oidc, pending
from app.auth.openid import check_answer, request_url
from app.auth.refusal import OpenIDRefused, Refusal
from app.auth.user import SignedIn
from app.errors import PAGES, ErrorPage
from app.extensions import csrf, directory, settings
from app.language import asked_language, chosen_language, clear_session
from app.navigation import is_signed_in, know_admin, safe_next
from app.presentation import told
from core.database import utc_now
from core.directories import Deadline
from core.openid_state import StashFull, stash_answer, take_answer
from core.people import SignIn, SignInRefused, sign_in
from core.queues import Job, enqueue, wake_outbox
from core.roles import authority_of
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
UNCLEAR = ErrorPage(
    _("We could not find out who you are"),
    _("Whether you were here before under another name cannot be looked up now. Try again in a minute."),
)
STATUS = {
    Refusal.CANCELLED: 200,
    Refusal.NOT_VALID: 400,
    Refusal.NO_ANSWER: 503,
    Refusal.REFUSED_US: 503,
}


def _words(refusal: Refusal) -> ErrorPage:
    """Say what a refused answer means for the person."""
    name = settings.provider_name
    pages = {
        Refusal.CANCELLED: (
            _("You did not sign in"),
            _("%(provider)s says that you cancelled. Nothing was done.", provider=name),
        ),
        Refusal.NO_ANSWER: (
            _("%(provider)s does not answer", provider=name),
            _("Nothing was changed. Try again in a minute."),
        ),
        Refusal.NOT_VALID: (
            _("%(provider)s's answer was not accepted", provider=name),
            _("It is not a valid answer for this portal. Nothing was created. Please start again."),
        ),
        Refusal.REFUSED_US: (
            _("%(provider)s does not accept this portal", provider=name),
            _("It is not set up rightly for sign-ins. Nothing was created. Please tell the admins."),
        ),
    }
    return ErrorPage(*pages[refusal])


class DirectoryUnclear(Exception):
    """It could not be found out now whether this account is known by an earlier name."""


@blueprint.get("/login", endpoint="sign_in")
def sign_in_page() -> Response | str:
    """Show the one button, or go on at once when signed in already."""
    target = safe_next(request.args.get("next"))
    if is_signed_in():
        return redirect(target or url_for("portal.home"))
    return render_template("auth/sign_in.html", next=target)


@blueprint.post("/login")
def begin() -> Response | tuple[str, int]:
    """Begin a sign-in: remember its state in this browser and go to the provider.

    With `fresh` in the form, the provider asks for the password anew: dangerous changes need that.
    """
    target = safe_next(request.form.get("next")) or url_for("portal.home")
    fresh = request.form.get("fresh") == "1" or _asks_anew(target)
    waiting, state = pending.begin(pending.read(request), target)
    try:
        leave = _leave_for_oidc if settings.oidc_issuer else _leave_for_ubuntu_one
        response = leave(state, fresh=fresh)
    except OpenIDRefused as error:
        return _refused(error)
    pending.write(response, waiting)
    return response


def _asks_anew(target: str) -> bool:
    """Whether a sign-in that leads there is a fresh one (`app.auth.fresh`)."""
    return target.partition("?")[0] == url_for("auth.again")


def _leave_for_ubuntu_one(state: str, *, fresh: bool) -> Response:
    return_to = f"{settings.public_url}{url_for('auth.answer')}?{urlencode({'state': state})}"
    return redirect(request_url(settings, return_to, fresh=fresh), code=303)


def _leave_for_oidc(state: str, *, fresh: bool) -> Response:
    """Lead on by a page.

    Browsers hold form-action against a redirect, too, and against each further one of the provider's.
    """
    url = oidc.request_url(settings, state, Deadline(BUDGET), fresh=fresh)
    response = make_response(render_template("auth/leaving.html", url=url))
    response.headers["Refresh"] = f"0; url={url}"
    return response


@blueprint.post("/login/ubuntu-one")
@csrf.exempt  # the provider sends it; what counts is its signature and the state
def take_posted_answer() -> Response | tuple[str, int]:
    """Put a posted answer aside: this cross-site request carries no cookie, the next one does."""
    _only(settings.oidc_issuer is None)
    fields = request.form.to_dict()
    if len(fields) != len(list(request.form.items(multi=True))):
        return _page(_words(Refusal.NOT_VALID), 400)
    try:
        stash = stash_answer(fields, utc_now())
    except ValueError:
        return _page(_words(Refusal.NOT_VALID), 413)
    except StashFull:
        return _page(PAGES[503], 503)
    arguments = [*request.args.items(multi=True), ("stash", stash)]
    return redirect(f"{url_for('auth.answer')}?{urlencode(arguments)}", code=303)


Check = Callable[[str, Deadline, datetime], SignIn]
"""Takes the state, and checks the answer in the request; raises OpenIDRefused."""


@blueprint.get("/login/ubuntu-one")
def answer() -> Response | tuple[str, int]:
    """Check Ubuntu One's answer and let the person in."""
    _only(settings.oidc_issuer is None)
    return _take_answer(_ubuntu_one_answer)


@blueprint.get("/login/oidc")
def oidc_answer() -> Response | tuple[str, int]:
    """Check the OIDC provider's answer and let the person in."""
    _only(settings.oidc_issuer is not None)
    return _take_answer(_oidc_answer)


def _only(in_use: bool) -> None:
    """Have nothing here when this portal's provider speaks the other protocol."""
    if not in_use:
        abort(404)


def _take_answer(check: Check) -> Response | tuple[str, int]:
    waiting = pending.read(request)
    state = request.args.get("state", "")
    target = waiting.pop(state, None)
    if target is None:
        return _page(START_AGAIN, 400)
    response = _finish(check, state, target)
    if isinstance(response, tuple):
        response = Response(response[0], response[1], mimetype="text/html")
    pending.write(response, waiting)
    return response


def _finish(check: Check, state: str, target: str) -> Response | tuple[str, int]:
    deadline = Deadline(BUDGET)
    try:
        arrival = replace(check(state, deadline, utc_now()), asked_anew=_asks_anew(target))
        arrival = replace(arrival, language=chosen_language() or asked_language() or arrival.language)
        return _let_in(arrival, deadline, target)
    except OpenIDRefused as error:
        return _refused(error)
    except DirectoryUnclear:
        return _page(UNCLEAR, 503)
    except SignInRefused as error:
        return _page(ErrorPage(_("You cannot sign in"), told(error)), 403)


def _ubuntu_one_answer(_state: str, deadline: Deadline, now: datetime) -> SignIn:
    fields, url = _received()
    return check_answer(settings, fields, url, deadline, now)


def _oidc_answer(state: str, deadline: Deadline, now: datetime) -> SignIn:
    return oidc.check_answer(settings, dict(_arguments()), state, deadline, now)


def _arguments() -> list[tuple[str, str]]:
    """Return the arguments of the request; raises OpenIDRefused when one came twice."""
    arguments = list(request.args.items(multi=True))
    if len({name for name, _ in arguments}) != len(arguments):
        raise OpenIDRefused(Refusal.NOT_VALID, "a field came twice")
    return arguments


def _received() -> tuple[dict[str, str], str]:
    """Return the answer's fields and the address it was sent to, both exactly as they came.

    A posted answer is taken from its stash and checked against the first address, without the stash.
    """
    arguments = _arguments()
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
    """Ask the directory in what is left of the budget, then begin a fresh session."""
    email = arrival.email if arrival.email_proven else None
    reading = ask_about(directory, arrival.subject, deadline, issuer=arrival.issuer, email=email)
    now = utc_now()
    account = reading.account.account
    if account is not None and not ask_about_earlier_names(directory, account, deadline, now):
        raise DirectoryUnclear
    old_token = current_user.get_id() if is_signed_in() else None
    person, token = sign_in(arrival, reading, now)
    if old_token:
        end_session(old_token)
    clear_session()
    found = find_session(token, now)
    if found is not None:
        login_user(SignedIn(found, token))
        know_admin(bool(authority_of(found.person, settings.admins, now).roles))
    if not reading.complete:
        about = {"person": person.id, "launchpad_name": person.launchpad_name}
        log.warning("directory unclear at sign-in", **about, why=reading.why)
        enqueue(settings, Job.SYNC_PERSON, person.id)
    wake_outbox(settings)
    return redirect(target, code=303)


@blueprint.post("/logout")
@login_required
def sign_out() -> Response:
    """End this session, here and on the server."""
    end_session(current_user.get_id())
    clear_session()
    logout_user()
    return redirect(url_for("public.front"), code=303)


def _refused(error: OpenIDRefused) -> tuple[str, int]:
    loud = log.error if error.refusal is Refusal.REFUSED_US else log.info
    loud("sign-in refused", refusal=error.refusal, why=str(error))
    return _page(_words(error.refusal), STATUS[error.refusal])


def _page(page: ErrorPage, status: int) -> tuple[str, int]:
    return render_template("auth/refused.html", page=page, status=status), status
