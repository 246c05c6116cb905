"""Proof by mail: opening the link shows a button, pressing it proves the recipient, once."""

from flask import make_response, render_template, url_for
from flask_babel import gettext as _
from flask_login import current_user, login_required

from app.extensions import settings
from app.navigation import go
from app.portal.blueprint import Page, blueprint, say
from app.portal.words import PROOF_PROBLEMS
from core import recipients
from core.database import utc_now
from core.models import Alias, Recipient
from core.overview import alias_views
from core.queues import wake_outbox
from core.recipients import ProofProblem, ProofRefused


@blueprint.get("/recipients/verify/<token>")
@login_required
def verify(token: str) -> Page:
    """Show the button that proves a recipient; opening the page changes nothing."""
    person_id, now = current_user.person.id, utc_now()
    try:
        found = recipients.check_proof(token, person_id, settings.secret_key, now)
    except ProofRefused as error:
        return _refused(error.problem)
    page = make_response(
        render_template("portal/verify.html", recipient=found, uses=_uses(found), token=token)
    )
    page.headers["Referrer-Policy"] = "no-referrer"  # the address is a secret
    return page


@blueprint.post("/recipients/verify/<token>")
@login_required
def verify_now(token: str) -> Page:
    """Prove a recipient, once."""
    try:
        recipients.verify_recipient(token, current_user.person.id, settings.secret_key, utc_now())
    except ProofRefused as error:
        if error.problem is not ProofProblem.USED:
            return _refused(error.problem)
    wake_outbox(settings)
    say(_("The mailbox is confirmed. Mail goes there from now on."), on_next_page=True)
    return go(url_for("portal.home"))


def _uses(recipient: Recipient) -> list[tuple[Alias, Recipient | None]]:
    """Return the person's addresses with this recipient, each with the one whose place it takes."""
    return [
        (view.alias, next((one for one in view.recipients if one.id == row.replaces), None))
        for view in alias_views(current_user.person, utc_now())
        for row in view.rows
        if row.recipient_id == recipient.id
    ]


def _refused(problem: ProofProblem) -> tuple[str, int]:
    status, sentence = PROOF_PROBLEMS[problem]
    return render_template("portal/verify_refused.html", sentence=sentence), status
