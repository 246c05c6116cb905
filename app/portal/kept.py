"""An imported address that is kept for somebody: they prove here that it is theirs (`core.takeover`)."""

from flask import render_template, request, url_for
from flask_babel import gettext as _
from flask_login import current_user, login_required

from app.auth.fresh import needs_fresh_sign_in
from app.extensions import htmx, settings
from app.navigation import go
from app.portal.blueprint import Page, blueprint, part, say
from app.presentation import told
from core import takeover
from core.database import utc_now
from core.ownership import NotYours
from core.queues import wake_outbox
from core.takeover import Offer, TakeoverProblem, offers_for

KEPT = "/kept/<int(max=2147483647):alias_id>"


@blueprint.get(KEPT)
@login_required
def kept(alias_id: int) -> Page:
    """Show how one may prove that an address is one's own; never where its mail goes."""
    return _page(alias_id)


@blueprint.post(f"{KEPT}/take")
@login_required
@needs_fresh_sign_in("portal.kept")
def take_kept(alias_id: int) -> Page:
    """Take an address over by the sign-in address."""
    try:
        takeover.take_over(current_user.person.id, alias_id, utc_now())
    except TakeoverProblem as error:
        return _page(alias_id, error=told(error)), 422
    return _taken(alias_id)


@blueprint.post(f"{KEPT}/code")
@login_required
def send_kept_code(alias_id: int) -> Page:
    """Send a code to the first of the mailboxes that the old system had."""
    try:
        takeover.send_code(current_user.person.id, alias_id, utc_now())
    except TakeoverProblem as error:
        return _page(alias_id, error=told(error)), 429
    wake_outbox(settings)
    say(_("A code is on its way."))
    return _page(alias_id, sent_now=True) if htmx else go(url_for("portal.kept", alias_id=alias_id))


@blueprint.post(f"{KEPT}/enter")
@login_required
def enter_kept_code(alias_id: int) -> Page:
    """Take an address over by that code."""
    typed = request.form.get("code", "")
    try:
        takeover.enter_code(current_user.person.id, alias_id, typed, settings.secret_key, utc_now())
    except TakeoverProblem as error:
        return _page(alias_id, error=told(error)), 422
    return _taken(alias_id)


def _taken(alias_id: int) -> Page:
    wake_outbox(settings)
    say(_("The address is yours. Please look whether its mailboxes are right."), on_next_page=True)
    return go(url_for("portal.address", alias_id=alias_id))


def _page(alias_id: int, **context: object) -> str:
    offer = _offer(alias_id)
    if htmx:
        return part("portal/_kept.html", offer=offer, **context)
    return render_template("portal/kept.html", offer=offer, **context)


def _offer(alias_id: int) -> Offer:
    for offer in offers_for(current_user.person, utc_now()):
        if offer.alias.id == alias_id:
            return offer
    raise NotYours("no address that is kept for this person")
