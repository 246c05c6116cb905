"""The contributor's pages: HTTP only, the rules are in the core.

Every action is a plain form. With HTMX it swaps the part of the page that changed; without, the
page comes back as a whole. Both render the same template file.
"""

from flask import Blueprint, abort, render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user, login_required
from werkzeug.wrappers import Response

from app.extensions import directory, htmx, settings
from app.navigation import go
from app.portal.words import CLAIM_PROBLEMS, FATES, PROOF_PROBLEMS
from core import aliases, recipients
from core.aliases import ClaimProblem, ClaimRefused
from core.database import utc_now
from core.directories import Deadline
from core.domains import find_domain
from core.overview import AliasView, alias_views, domain_rows
from core.queues import Job, enqueue, wake_outbox
from core.recipients import (
    MAX_RECIPIENTS,
    ProofProblem,
    ProofRefused,
    RecipientProblem,
    suggested_recipient,
)
from core.roles import first_recipient
from core.routing import Switch
from core.sync import sync_person

BUDGET = 4.0  # seconds for asking Launchpad while a page waits
POLLS = 15
"""How often the page looks for an answer that a job is fetching, two seconds apart."""

Page = Response | str | tuple[str, int]

blueprint = Blueprint("portal", __name__)


@blueprint.app_context_processor
def words() -> dict[str, object]:
    """Give the templates the portal's sentences."""
    return {"FATES": FATES, "CLAIM_PROBLEMS": CLAIM_PROBLEMS, "MAX_RECIPIENTS": MAX_RECIPIENTS}


@blueprint.get("/home")
@login_required
def home() -> Page:
    """Show a row for each domain."""
    return _home(asked_in_vain=request.args.get("asked") == "in-vain")


@blueprint.get("/home/rows")
@login_required
def rows() -> Page:
    """Show the rows again while a job asks Launchpad; the page polls this, with an end."""
    return _home(polls=request.args.get("polls", 0, int) + 1)


@blueprint.post("/home/check")
@login_required
def check_again() -> Page:
    """Ask Launchpad about this person now; go on in a job when it takes too long."""
    person = current_user.person
    answered = sync_person(directory, person.id, Deadline(BUDGET), utc_now())
    if not answered:
        enqueue(settings, Job.SYNC_PERSON, person.id)
    current_user.person = person.get_by_id(person.id)
    if htmx:
        return _home(asked_in_vain=not answered, focus="standing")
    return go(url_for("portal.home", asked=None if answered else "in-vain"))


@blueprint.post("/domains/<name>/claim")
@login_required
def claim(name: str) -> Page:
    """Claim one's own name on a domain."""
    domain = find_domain(name)
    if domain is None or domain.name != name:
        abort(404)
    recipient = request.form.get("recipient")
    try:
        aliases.claim(current_user.person.id, domain, recipient, settings.record_secret, utc_now())
    except ClaimRefused as error:
        status, sentence = CLAIM_PROBLEMS[error.problem]
        field = "recipient" if error.problem is ClaimProblem.NEEDS_RECIPIENT else ""
        return _home(errors={name: (field, sentence)}, status=status, only=name)
    except RecipientProblem as error:
        return _home(errors={name: ("recipient", str(error))}, status=422, only=name, typed=recipient)
    wake_outbox(settings)
    return _home(only=name, focus=name) if htmx else go(url_for("portal.home"))


@blueprint.get("/addresses/<int(max=2147483647):alias_id>")
@login_required
def address(alias_id: int) -> Page:
    """Show one address: where its mail goes, and its switches."""
    return _address(_own(alias_id))


@blueprint.post("/addresses/<int(max=2147483647):alias_id>/recipients")
@login_required
def add_recipient(alias_id: int) -> Page:
    """Add a recipient; it gets a verification mail unless it is proven already."""
    view, text = _own(alias_id), request.form.get("recipient", "")
    try:
        recipients.add_recipient(current_user.person.id, alias_id, text, utc_now())
    except RecipientProblem as error:
        return _address(view, error=str(error), typed=text, status=422)
    wake_outbox(settings)
    return _changed(alias_id)


@blueprint.post("/addresses/<int(max=2147483647):alias_id>/order")
@login_required
def set_recipients(alias_id: int) -> Page:
    """Take a recipient out, or move it up."""
    _own(alias_id)
    change = {"remove": recipients.remove_recipient, "up": recipients.move_up}.get(request.form.get("action"))
    if change is None:
        abort(400)
    change(current_user.person.id, alias_id, request.form.get("recipient", 0, int), utc_now())
    return _changed(alias_id)


@blueprint.post(
    "/addresses/<int(max=2147483647):alias_id>/recipients/<int(max=2147483647):recipient_id>/resend"
)
@login_required
def resend(alias_id: int, recipient_id: int) -> Page:
    """Send the verification mail again."""
    view = _own(alias_id)
    try:
        recipients.resend_proof(current_user.person.id, recipient_id, utc_now())
    except RecipientProblem as error:
        return _address(view, early=str(error), early_id=recipient_id, status=429)
    wake_outbox(settings)
    return _changed(alias_id)


@blueprint.post("/addresses/<int(max=2147483647):alias_id>/switch")
@login_required
def switch(alias_id: int) -> Page:
    """Switch the address on or off."""
    wanted = {s.value: s for s in (Switch.ON, Switch.OFF_LATER, Switch.OFF_REFUSED)}
    to = wanted.get(request.form.get("to", ""))
    if to is None:
        abort(400)
    _own(alias_id)
    aliases.switch(current_user.person.id, alias_id, to, utc_now())
    return _changed(alias_id)


@blueprint.post("/addresses/<int(max=2147483647):alias_id>/give-up")
@login_required
def give_up(alias_id: int) -> Page:
    """Give the address up, when its name was typed as confirmation."""
    view = _own(alias_id)
    if request.form.get("confirm", "").strip().lower() != view.alias.text:
        sentence = _("Type the whole address to confirm that you give it up.")
        return _address(view, give_up_error=sentence, status=422)
    aliases.give_up(current_user.person.id, alias_id, utc_now())
    return go(url_for("portal.home"))


@blueprint.get("/recipients/verify/<token>")
@login_required
def verify(token: str) -> Page:
    """Show the button that proves a recipient; opening the page changes nothing."""
    try:
        found = recipients.check_proof(token, current_user.person.id, settings.secret_key, utc_now())
    except ProofRefused as error:
        return _proof_refused(error.problem)
    return render_template("portal/verify.html", recipient=found, token=token)


@blueprint.post("/recipients/verify/<token>")
@login_required
def verify_now(token: str) -> Page:
    """Prove a recipient, once."""
    try:
        recipients.verify_recipient(token, current_user.person.id, settings.secret_key, utc_now())
    except ProofRefused as error:
        if error.problem is not ProofProblem.USED:
            return _proof_refused(error.problem)
    return go(url_for("portal.home"))


def _proof_refused(problem: ProofProblem) -> tuple[str, int]:
    status, sentence = PROOF_PROBLEMS[problem]
    return render_template("portal/verify_refused.html", sentence=sentence), status


def _home(
    errors: dict[str, tuple[str, str]] | None = None,
    status: int = 200,
    only: str | None = None,
    polls: int = 0,
    focus: str = "",
    asked_in_vain: bool = False,
    typed: str | None = None,
) -> tuple[str, int]:
    """Render the home page, its table of rows, or with HTMX the one row that changed."""
    person = current_user.person
    shown = domain_rows(person, utc_now(), settings.record_secret)
    waiting = person.asked_at is None or person.asked_at < current_user.session.created_at
    context = {
        "rows": shown,
        "errors": errors or {},
        "person": person,
        "waiting": waiting and polls < POLLS and not asked_in_vain,
        "unanswered": asked_in_vain or (waiting and polls >= POLLS),
        "polls": polls,
        "focus": focus,
        "has_recipient": first_recipient(person) is not None,
        "suggested": suggested_recipient(person),
        "typed": typed,
    }
    if htmx and only is not None:
        row = next(row for row in shown if row.domain.name == only)
        return render_template("portal/_domain_row.html", row=row, **context), status
    return render_template("portal/_rows.html" if htmx else "portal/home.html", **context), status


def _own(alias_id: int) -> AliasView:
    """Load one's own address, or answer 404 as for one that is not there."""
    views = alias_views(current_user.person, utc_now(), alias_id)
    return views[0] if views else abort(404)


def _address(view: AliasView, status: int = 200, **said: str | int) -> tuple[str, int]:
    """Render the address page, or with HTMX its changing part.

    said: `error` and what was `typed` as a recipient, `early` for the recipient `early_id`, or
    `give_up_error`.
    """
    context = {"view": view, **said}
    name = "portal/_address.html" if htmx else "portal/address.html"
    return render_template(name, **context), status


def _changed(alias_id: int) -> Page:
    """Show an address after a change."""
    return _address(_own(alias_id), focus=True) if htmx else go(url_for("portal.address", alias_id=alias_id))
