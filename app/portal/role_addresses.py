"""A role address, as one of its owners sees it: who else looks after it, and where their own copy goes."""

from flask import abort, request, url_for
from flask_babel import gettext as _
from flask_login import current_user, login_required

from app.auth.fresh import needs_fresh_sign_in
from app.extensions import htmx, settings
from app.navigation import go
from app.portal.address import WITHIN
from app.portal.blueprint import Page, blueprint, render, say
from app.presentation import told
from core import recipients
from core import role_addresses as use_cases
from core.database import utc_now
from core.models import Alias
from core.ownership import NotYours
from core.queues import wake_outbox
from core.recipients import RecipientProblem

ADDRESS = "/role-addresses/<int(max=2147483647):alias_id>"
RECIPIENT = f"{ADDRESS}/recipients/<int(max=2147483647):recipient_id>"


@blueprint.get(ADDRESS)
@login_required
def role_address(alias_id: int) -> Page:
    """Show one."""
    return _page(_own(alias_id))


@blueprint.post(f"{ADDRESS}/recipients")
@login_required
@needs_fresh_sign_in("portal.role_address", WITHIN)
def add_role_recipient(alias_id: int) -> Page:
    """Add one's own recipient; it gets a verification mail unless it is proven already."""
    alias, text = _own(alias_id), request.form.get("recipient", "")
    try:
        use_cases.add_recipient(current_user.person.id, alias_id, text, utc_now())
    except RecipientProblem as error:
        return _page(alias, error=told(error), typed=text), 422
    return _done(alias, _("The mailbox was added."))


@blueprint.post(f"{RECIPIENT}/remove")
@login_required
@needs_fresh_sign_in("portal.role_address", WITHIN)
def remove_role_recipient(alias_id: int, recipient_id: int) -> Page:
    """Take one's own recipient out."""
    alias = _own(alias_id)
    use_cases.remove_recipient(current_user.person.id, alias_id, recipient_id, utc_now())
    return _done(alias, _("The mailbox was removed."))


@blueprint.post(f"{RECIPIENT}/resend")
@login_required
def resend_role_proof(alias_id: int, recipient_id: int) -> Page:
    """Send the verification mail again."""
    alias = _own(alias_id)
    try:
        recipients.resend_proof(current_user.person.id, recipient_id, utc_now())
    except RecipientProblem as error:
        return _page(alias, early=told(error)), 429
    except NotYours:
        abort(404)
    return _done(alias, _("The mail was sent again."))


def _own(alias_id: int) -> Alias:
    try:
        return use_cases.own_role_address(current_user.person, alias_id)
    except NotYours:
        abort(404)


def _done(alias: Alias, sentence: str) -> Page:
    wake_outbox(settings)
    say(sentence)
    return _page(alias) if htmx else go(url_for("portal.role_address", alias_id=alias.id))


def _page(alias: Alias, **said: object) -> str:
    others = [view for view in use_cases.owners_of(alias) if view.owner.person_id != current_user.person.id]
    return render(
        "portal/role_address.html",
        "portal/_role_address.html",
        alias=alias,
        own=use_cases.own_recipients(current_user.person, alias),
        others=others,
        **said,
    )
